package slownet

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packetBubble runs f in simulated time with a wrapper and the other end.
func packetBubble(t *testing.T, config Config, f func(t *testing.T, c *PacketConn, far *memoryConn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memoryPair()
		c := NewPacketConn(near, config)
		f(t, c, far)
		_ = c.SetLinger(0)
		_ = c.Close()
	})
}

// receive reads n datagrams and tells when they came.
func receive(t *testing.T, c *PacketConn, n int) (all []sent) {
	start := c.inner.(*memoryConn).born
	buffer := make([]byte, bufferSize)
	for range n {
		n, peer, err := c.ReadFrom(buffer)
		require.NoError(t, err)
		require.Equal(t, memoryName("far"), peer)
		all = append(all, sent{string(buffer[:n]), time.Since(start)})
	}
	return all
}

// numbered returns names of datagrams.
func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

// allAt returns datagrams that all arrive at a time.
func allAt(at time.Duration, names []string) (all []sent) {
	for _, name := range names {
		all = append(all, sent{name, at})
	}
	return all
}

func TestPacketLatencyOverlaps(t *testing.T) {
	link, names := Link{Latency: 50 * ms}, numbered(100)
	packetBubble(t, Config{Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		start := time.Now()
		writeTo(t, c, names...)
		assert.Zero(t, time.Since(start), "WriteTo waits for nothing")
		time.Sleep(time.Second)
		assert.Equal(t, allAt(50*ms, names), far.got())
	})
	packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		go far.send(t, names...)
		assert.Equal(t, allAt(50*ms, names), receive(t, c, 100))
	})
	packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		var want []sent
		for i, name := range names {
			want = append(want, sent{name, 50*ms + time.Duration(i)*ms})
		}
		go func() {
			for _, name := range names {
				far.send(t, name)
				time.Sleep(ms)
			}
		}()
		assert.Equal(t, want, receive(t, c, 100), "the reader waits while others come in")
	})
}

func TestPacketRateAndQueueAreExact(t *testing.T) {
	large := string(make([]byte, 1000)) // takes 8 ms at 1 Mbit/s
	link := Link{Rate: Mbps, Latency: 5 * ms, Queue: 3000}
	want := []sent{{large, 13 * ms}, {large, 21 * ms}, {large, 29 * ms}} // 3,000 bytes find room
	packetBubble(t, Config{Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, large, large, large, large, large)
		time.Sleep(time.Second)
		assert.Equal(t, want, far.got())
		writeTo(t, c, large)
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{large, time.Second + 13*ms}}, far.got(), "there is room again")
	})
	packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, large, large, large, large, large)
		assert.Equal(t, want, receive(t, c, 3))
		far.send(t, "x") // 8 us
		assert.Equal(t, []sent{{"x", 29*ms + 8*time.Microsecond + 5*ms}}, receive(t, c, 1))
	})
}

func TestPacketBottleneckIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := string(make([]byte, 1000)) // takes 8 ms
		bottleneck := NewBottleneck(Mbps)
		near1, far1 := memoryPair()
		near2, far2 := memoryPair()
		c1 := NewPacketConn(near1, Config{Write: Link{Bottleneck: bottleneck}})
		time.Sleep(ms)
		c2 := NewPacketConn(near2, Config{})
		c2.SetLinks(Link{}, Link{Bottleneck: bottleneck})
		writeTo(t, c1, large)
		writeTo(t, c2, large)
		require.NoError(t, shut(c1))
		require.NoError(t, shut(c2))
		assert.Equal(t, []sent{{large, 9 * ms}}, far1.got())
		assert.Equal(t, []sent{{large, 17 * ms}}, far2.got())
	})
}

func TestPacketPace(t *testing.T) {
	link := Link{Pace: Pace{10, 100 * ms}} // a wait for every 10 bytes
	packetBubble(t, Config{Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "1", "123456789abc", "3")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"1", 0}, {"123456789abc", 100 * ms}, {"3", 300 * ms}}, far.got())
	})
}

func TestPacketMTUAndEmptyDatagrams(t *testing.T) {
	for _, link := range []Link{{MTU: 4}, {MTU: 4, Latency: ms}} {
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, "1234", "12345", "")
			time.Sleep(time.Second)
			assert.Equal(t, []sent{{"1234", link.Latency}, {"", link.Latency}}, far.got())
			far.send(t, "12345", "", "1234")
			at := time.Second + link.Latency
			assert.Equal(t, []sent{{"", at}, {"1234", at}}, receive(t, c, 2))
		})
	}
}

func TestPacketLossIsReproducible(t *testing.T) {
	run := func(seed uint64) (got []sent) {
		packetBubble(t, Config{Write: Link{Loss: Loss{Random: 0.1}}, Seed: seed}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, numbered(10_000)...)
			got = far.got()
		})
		return got
	}
	first := run(1)
	assert.InDelta(t, 9000, len(first), 100)
	assert.Equal(t, first, run(1), "the same seed")
	assert.NotEqual(t, first, run(2))
}

func TestPacketDuplicates(t *testing.T) {
	for _, latency := range []time.Duration{0, ms} {
		link := Link{Latency: latency, Duplicate: Chance{Probability: 1}}
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, "a", "b")
			time.Sleep(time.Second)
			assert.Equal(t, allAt(latency, []string{"a", "a", "b", "b"}), far.got())
			far.send(t, "c")
			assert.Equal(t, allAt(time.Second+latency, []string{"c", "c"}), receive(t, c, 2))
		})
	}
}

func TestPacketCorruption(t *testing.T) {
	for _, latency := range []time.Duration{0, ms} {
		link := Link{Latency: latency, Corrupt: Chance{Probability: 1}}
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			want := bytes.Repeat([]byte{0xa5}, 100)
			buffer := bytes.Clone(want)
			writeTo(t, c, "")
			_, err := c.WriteTo(buffer, far.name)
			require.NoError(t, err)
			time.Sleep(time.Second)
			got := far.got()
			require.Len(t, got, 2)
			assert.Empty(t, got[0].data, "there is no bit to change")
			assert.Equal(t, 1, differingBits(want, []byte(got[1].data)))
			assert.Equal(t, want, buffer, "the caller's own")

			far.send(t, string(want))
			assert.Equal(t, 1, differingBits(want, []byte(receive(t, c, 1)[0].data)))
		})
	}
}

func differingBits(a, b []byte) (n int) {
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n + 8*abs(len(a)-len(b))
}

func abs(n int) int { return max(n, -n) }

func TestPacketCallerMayReuseItsBuffer(t *testing.T) {
	packetBubble(t, Config{Write: Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		buffer := []byte("first")
		_, err := c.WriteTo(buffer, far.name)
		require.NoError(t, err)
		copy(buffer, "other")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"first", ms}}, far.got())
	})
}

func TestPacketOvertaking(t *testing.T) {
	jitter := Link{Latency: 50 * ms, Jitter: Jitter{Deviation: 40 * ms}}
	check := func(t *testing.T, got []sent) {
		require.Len(t, got, 100)
		assert.ElementsMatch(t, numbered(100), names(got))
		assert.NotEqual(t, numbered(100), names(got))
		for i, d := range got {
			assert.GreaterOrEqual(t, d.at, 10*ms)
			assert.LessOrEqual(t, d.at, 90*ms)
			assert.True(t, i == 0 || got[i-1].at <= d.at)
		}
	}
	packetBubble(t, Config{Write: jitter}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, numbered(100)...)
		time.Sleep(time.Second)
		check(t, far.got())
	})
	packetBubble(t, Config{Read: jitter}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, numbered(100)...)
		check(t, receive(t, c, 100))
	})
	reorder := Link{Latency: 50 * ms}
	packetBubble(t, Config{Write: reorder}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "behind")
		reorder.Reorder.Probability = 1
		c.SetLinks(Link{}, reorder)
		writeTo(t, c, "before")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"before", 0}, {"behind", 50 * ms}}, far.got())
	})
}

func names(all []sent) (names []string) {
	for _, d := range all {
		names = append(names, d.data)
	}
	return names
}

// What does not fit into the reader's buffer is lost.
func TestPacketTruncation(t *testing.T) {
	for _, link := range []Link{{}, {Latency: ms}} {
		packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			far.send(t, "12345", "67", "8", "9")
			for _, want := range []string{"123", "67", "8"} {
				buffer := make([]byte, 3)
				n, _, err := c.ReadFrom(buffer)
				require.NoError(t, err)
				assert.Equal(t, want, string(buffer[:n]))
			}
			n, peer, err := c.ReadFrom(nil)
			require.NoError(t, err)
			assert.Zero(t, n)
			assert.Equal(t, far.name, peer)
		})
	}
}

// A reader may have room for more than the largest datagram of UDP's.
func TestPacketLargeDatagrams(t *testing.T) {
	packetBubble(t, Config{Read: Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		buffer := make([]byte, 3*bufferSize)
		for range 3 {
			far.send(t, string(make([]byte, 2*bufferSize)))
		}
		for range 3 {
			n, _, err := c.ReadFrom(buffer)
			require.NoError(t, err)
			assert.Equal(t, 2*bufferSize, n)
		}
	})
}

func TestPacketDeadlines(t *testing.T) {
	for _, link := range []Link{{}, {Latency: ms}} {
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			start := time.Now()
			require.NoError(t, c.SetDeadline(start.Add(time.Second)))
			_, _, err := c.ReadFrom(make([]byte, 1))
			assertTimeout(t, err)
			assert.Equal(t, time.Second, time.Since(start))
			_, err = c.WriteTo([]byte("late"), far.name)
			assertTimeout(t, err)

			far.send(t, "there already")
			_, _, err = c.ReadFrom(make([]byte, 1))
			assertTimeout(t, err)
			require.NoError(t, c.SetDeadline(time.Time{}))
			assert.Equal(t, []sent{{"there already", time.Second + link.Latency}}, receive(t, c, 1))
			writeTo(t, c, "on")
			time.Sleep(time.Second)
			assert.Len(t, far.got(), 1)

			go func() { // one that is moved wakes who waits already
				time.Sleep(time.Second)
				assert.NoError(t, c.SetReadDeadline(time.Now()))
			}()
			start = time.Now()
			_, _, err = c.ReadFrom(make([]byte, 1))
			assertTimeout(t, err)
			assert.Equal(t, time.Second, time.Since(start))
		})
	}
}

func assertTimeout(t *testing.T, err error) {
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
}

// At the very instant of a deadline nothing is read or written any more, in
// every run, also not while datagrams are in flight.
func TestPacketDeadlineTies(t *testing.T) {
	for range 100 {
		packetBubble(t, Config{Read: Link{Latency: 100 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			require.NoError(t, c.SetDeadline(time.Now().Add(100*ms)))
			far.send(t, "just too late")
			_, _, err := c.ReadFrom(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			_, err = c.WriteTo(nil, far.name)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	}
}

func TestPacketSetLinks(t *testing.T) {
	packetBubble(t, Config{}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		go func() {
			time.Sleep(ms)
			c.SetLinks(Link{Latency: 10 * ms}, Link{Latency: 20 * ms}) // while one waits in the inner connection
			writeTo(t, c, "1")
			far.send(t, "a")
			time.Sleep(ms)
			c.SetLinks(Link{}, Link{})
			writeTo(t, c, "2")
			far.send(t, "b")
		}()
		assert.Equal(t, []sent{{"b", 2 * ms}, {"a", 11 * ms}}, receive(t, c, 2), "later ones may overtake")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"2", 2 * ms}, {"1", 21 * ms}}, far.got())
		c.out.awaitEnd()
		c.in.awaitEnd()
		writeTo(t, c, "x")
		assert.False(t, c.out.gate.isShut(), "all go right to the inner connection again")
	})
}

// An error that meets a datagram on its way is told once, to the next writer.
func TestPacketPendingError(t *testing.T) {
	packetBubble(t, Config{Write: Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.peer.set(func(m *memoryConn) { m.err = syscall.ENETUNREACH })
		writeTo(t, c, "lost", "not lost")
		time.Sleep(time.Second)
		assert.Len(t, far.got(), 1)
		far.send(t, "readers do not mind")
		receive(t, c, 1)
		n, err := c.WriteTo([]byte("told"), far.name)
		assert.Zero(t, n)
		assert.ErrorIs(t, err, syscall.ENETUNREACH)
		assert.ErrorAs(t, err, new(*net.OpError))
		writeTo(t, c, "as if nothing had happened")
	})
	packetBubble(t, Config{Write: Link{MTU: 1500}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.peer.set(func(m *memoryConn) { m.err = syscall.ENETUNREACH })
		_, err := c.WriteTo(nil, far.name)
		assert.ErrorIs(t, err, syscall.ENETUNREACH, "at once, where it can be")
	})
}

// A read error comes after what was read before it, and is no end.
func TestPacketReadError(t *testing.T) {
	packetBubble(t, Config{Read: Link{Latency: 10 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, "a", "b")
		go func() {
			time.Sleep(ms)
			far.peer.set(func(m *memoryConn) { m.readErr = syscall.ECONNREFUSED })
			time.Sleep(ms)
			far.send(t, "c")
		}()
		receive(t, c, 2)
		_, _, err := c.ReadFrom(nil)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, []sent{{"c", 20 * ms}}, receive(t, c, 1))
	})
}

// What is in flight and what has arrived is bounded.
func TestPacketMemoryIsBounded(t *testing.T) {
	large := string(make([]byte, 64<<10-packetOverhead))
	packetBubble(t, Config{Write: Link{Latency: time.Second}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for range 1000 {
			writeTo(t, c, large)
		}
		time.Sleep(2 * time.Second)
		assert.Len(t, far.got(), maxFlight/(64<<10))
		c.Stall()
		for range 1000 {
			writeTo(t, c, "")
			writeTo(t, c, large)
		}
		assert.LessOrEqual(t, c.out.heldSize, defaultQueue)
		assert.LessOrEqual(t, len(c.out.held), 1000+defaultQueue/len(large))
	})
	packetBubble(t, Config{Read: Link{Latency: time.Second}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for range 1000 {
			far.send(t, large)
		}
		receive(t, c, 1) // what is in flight has arrived
		time.Sleep(time.Minute)
		left := len(far.peer.got())
		assert.GreaterOrEqual(t, 1000-left, maxFlight/(64<<10))
		assert.LessOrEqual(t, 1000-left, 2*maxFlight/(64<<10))
		receive(t, c, 1000-left-1)
	})
}

func TestPacketTrace(t *testing.T) {
	var mu sync.Mutex // guards got
	var got []string
	trace := func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprint(e.Time.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), " ", e.Direction, " ",
			e.Kind, " ", e.Offset, ": ", e.Bytes, " ", e.Local, " ", e.Remote, " ", e.Cause))
	}
	config := Config{Trace: trace, Write: Link{Latency: 10 * ms, MTU: 5}, Read: Link{Latency: 20 * ms}}
	packetBubble(t, config, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "abc", "too large")
		time.Sleep(time.Second)
		far.send(t, "de")
		receive(t, c, 1)
		c.SetLinks(Link{}, Link{Rate: 8 * BitPerSecond, Queue: 3})
		writeTo(t, c, "f", "ghi", "")
		time.Sleep(2 * time.Second)
		c.Stall()
	})
	assert.Equal(t, []string{
		"0s write queued 0: 3 near far ",
		"0s write queued 1: 9 near far ",
		"0s write lost 1: 9 near far larger than the MTU",
		"10ms write delivered 0: 3 near far ",
		"1s read queued 0: 2 near far ",
		"1.02s read delivered 0: 2 near far ",
		"1.02s write faulted 0: 0 near <nil> links changed",
		"1.02s write queued 2: 1 near far ",
		"1.02s write queued 3: 3 near far ",
		"1.02s write lost 3: 3 near far queue full",
		"1.02s write queued 4: 0 near far ",
		"2.02s write delivered 2: 1 near far ",
		"2.02s write delivered 4: 0 near far ",
		"3.02s write faulted 0: 0 near <nil> stall",
	}, got)
}

func TestPacketTraceOfJitter(t *testing.T) {
	var mu sync.Mutex // guards delays
	var delays []time.Duration
	config := Config{
		Trace: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == Delayed {
				delays = append(delays, e.Delay)
			}
		},
		Write: Link{Latency: 50 * ms, Jitter: Jitter{Deviation: 10 * ms}},
	}
	packetBubble(t, config, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, numbered(100)...)
		time.Sleep(time.Second)
		late := 0
		for _, d := range far.got() {
			if d.at > 50*ms {
				late++
				assert.Contains(t, delays, d.at-50*ms)
			}
		}
		assert.Len(t, delays, late)
	})
}

// With nothing to do the wrapper does nothing.
func TestPacketPlainCostsNothing(t *testing.T) {
	inner := &nothing{memoryConn: new(memoryConn)}
	c := NewPacketConn(inner, Config{})
	buffer := make([]byte, 100)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = c.WriteTo(buffer, nil)
		_, _, _ = c.ReadFrom(buffer)
	}))
	assert.Same(t, &buffer[0], inner.seen, "the caller's own buffer")
	require.NoError(t, c.Close())
}

// nothing is a connection that does nothing.
type nothing struct {
	*memoryConn
	seen *byte
}

func (n *nothing) ReadFrom(p []byte) (int, net.Addr, error) { n.seen = &p[0]; return 0, nil, nil }
func (n *nothing) WriteTo(p []byte, _ net.Addr) (int, error) {
	n.seen = &p[0]
	return len(p), nil
}

// A connection that is no net.Conn, and has nothing but what it must.
func TestPacketConnOverTheLeast(t *testing.T) {
	for _, link := range []Link{{}, {Latency: ms}} {
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			assert.Nil(t, c.RemoteAddr())
			assert.Equal(t, memoryName("near"), c.LocalAddr())
			assert.Same(t, far.peer, c.NetPacketConn())
			_, err := c.Write([]byte("whither?"))
			assert.EqualError(t, err, "write memory near: write: destination address required")
			far.send(t, "x")
			buffer := make([]byte, 10)
			n, err := c.Read(buffer)
			require.NoError(t, err)
			assert.Equal(t, "x", string(buffer[:n]))
			_, err = c.SyscallConn()
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			assert.ErrorIs(t, c.SetReadBuffer(1), errors.ErrUnsupported)
			assert.ErrorIs(t, c.SetWriteBuffer(1), errors.ErrUnsupported)
		})
	}
}

func TestNewPacketConnPanics(t *testing.T) {
	near, _ := memoryPair()
	assert.Panics(t, func() { NewPacketConn(near, Config{Read: Link{Rate: -1}}) })
	c := NewPacketConn(near, Config{})
	assert.Panics(t, func() { c.SetLinks(Link{}, Link{Rate: -1}) })
	require.NoError(t, c.Close())
}

// A closed connection leaves no timer behind.
func TestPacketCloseStopsTimers(t *testing.T) {
	near, _ := memoryPair()
	c := NewPacketConn(near, Config{Clock: clock.NewMock(), Write: Link{Latency: ms}})
	writeTo(t, c, "a")
	require.NoError(t, c.SetDeadline(c.clock.Now().Add(time.Hour)))
	require.NoError(t, c.SetLinger(0))
	require.Error(t, shut(c))
	assert.Zero(t, c.in.deadline.timer)
	assert.Zero(t, c.out.deadline.timer)
	assert.Zero(t, c.out.patience)
	assert.Zero(t, c.out.parked)
}
