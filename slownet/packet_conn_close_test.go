package slownet

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPacketCloseWakesReaders(t *testing.T) {
	for _, link := range []netem.Link{{}, {Latency: ms}, {Latency: time.Hour}} {
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			far.send(t, "on its way")
			if link.Latency < time.Hour {
				receive(t, c, 1)
			}
			require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
			failed := make(chan error)
			for range 2 {
				go func() {
					_, _, err := c.ReadFrom(make([]byte, 1))
					failed <- err
				}()
			}
			synctest.Wait()
			start := time.Now()
			require.NoError(t, c.Close())
			assert.ErrorIs(t, <-failed, net.ErrClosed)
			assert.ErrorIs(t, <-failed, net.ErrClosed)
			assert.Zero(t, time.Since(start))

			time.Sleep(time.Hour)
			_, _, err := c.ReadFrom(make([]byte, 1))
			assert.ErrorIs(t, err, net.ErrClosed, "takes precedence over the deadline")
			_, err = c.WriteTo(nil, far.name)
			assert.ErrorIs(t, err, net.ErrClosed)
			assert.ErrorIs(t, c.SetDeadline(time.Now()), net.ErrClosed)
			assert.ErrorIs(t, c.Close(), net.ErrClosed, "a second time")
		})
	}
}

func TestPacketCloseDelivers(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: time.Minute}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		start := time.Now()
		writeTo(t, c, numbered(10)...)
		require.NoError(t, c.Close())
		assert.ErrorIs(t, c.Close(), net.ErrClosed, "a second time")
		assert.Zero(t, time.Since(start))
		_, err := c.WriteTo(nil, far.name)
		assert.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, c.Drain(t.Context()))
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Equal(t, allAt(time.Minute, numbered(10)), far.got())
	})
}

func TestPacketLinger(t *testing.T) {
	for seconds, want := range map[int]time.Duration{-1: 0, 3: 3 * time.Second, 100: time.Minute} {
		packetBubble(t, Config{Write: netem.Link{Latency: time.Minute}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, "a", "b")
			require.NoError(t, c.SetLinger(seconds))
			start := time.Now()
			require.NoError(t, c.Close())
			assert.Equal(t, want, time.Since(start))
			require.NoError(t, c.Drain(t.Context()))
			assert.Equal(t, allAt(time.Minute, []string{"a", "b"}), far.got(), "the rest is still delivered")
		})
	}
	for _, late := range []bool{false, true} {
		packetBubble(t, Config{Write: netem.Link{Latency: time.Hour}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, "a", "b")
			if late {
				require.NoError(t, c.Close())
			}
			require.NoError(t, c.SetLinger(0))
			if !late {
				require.NoError(t, c.Close())
			}
			start := time.Now()
			assert.EqualError(t, c.Drain(t.Context()), "slownet: drain: 2 datagrams that were written were discarded: SetLinger(0): use of closed network connection")
			assert.Zero(t, time.Since(start))
			time.Sleep(2 * time.Hour)
			assert.Empty(t, far.got())
		})
	}
}

// Close gives up on an inner connection that accepts nothing for five seconds.
func TestPacketCloseGivesUp(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: time.Second}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.peer.set(func(m *memoryConn) { m.full = true })
		writeTo(t, c, "a", "b", "c")
		start := time.Now()
		assert.ErrorContains(t, shut(c), "3 datagrams that were written were discarded")
		assert.Equal(t, time.Second+5*time.Second, time.Since(start))
	})
}

// A writer that is blocked in a full inner connection is woken.
func TestPacketWriterIsWoken(t *testing.T) {
	for name, test := range map[string]struct {
		wake func(*PacketConn) error
		want error
	}{
		"deadline": {func(c *PacketConn) error { return c.SetWriteDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		"close":    {(*PacketConn).Close, net.ErrClosed},
		"stall":    {func(c *PacketConn) error { c.Stall(); return nil }, nil},
		"links":    {func(c *PacketConn) error { c.SetLinks(netem.Link{}, netem.Link{Latency: ms}); return nil }, nil},
	} {
		for _, link := range []netem.Link{{}, {MTU: 1500}} {
			t.Run(name, func(t *testing.T) {
				packetBubble(t, Config{Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
					far.peer.set(func(m *memoryConn) { m.full = true })
					wrote := make(chan error)
					go func() {
						_, err := c.WriteTo([]byte("a"), far.name)
						wrote <- err
					}()
					synctest.Wait()
					require.NoError(t, test.wake(c))
					assert.ErrorIs(t, <-wrote, test.want)
					far.peer.set(func(m *memoryConn) { m.full = false })
					c.Resume()
					if test.want == nil {
						require.NoError(t, shut(c))
						assert.Len(t, far.got(), 1)
					}
				})
			})
		}
	}
}

func TestPacketStall(t *testing.T) {
	for _, latency := range []time.Duration{0, 10 * ms} {
		link := netem.Link{Latency: latency, Queue: netem.Queue{Bytes: 4}}
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, "in flight")
			c.Stall()
			writeTo(t, c, "ab", "c", "too much", "d", "e") // the queue has room for 4 bytes
			far.send(t, "f")
			go func() {
				time.Sleep(time.Second)
				c.Resume()
			}()
			got := receive(t, c, 1)
			assert.Equal(t, []sent{{"f", time.Second + latency}}, got, "it enters the link when the stall ends")
			time.Sleep(time.Second)
			first := time.Second
			if latency == 0 {
				first = 0
			}
			assert.Equal(t, append([]sent{{"in flight", first}},
				allAt(time.Second+latency, []string{"ab", "c", "d"})...), far.got())
		})
	}
}

// Datagrams read from the inner connection before a stall arrive when the stall
// ends. Datagrams that come in during a stall enter the link when it ends.
func TestPacketStallWhileReading(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: 10 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, "a")
		go func() {
			time.Sleep(5 * ms)
			c.Stall()
			far.send(t, "b")
			time.Sleep(time.Second)
			c.Resume()
		}()
		assert.Equal(t, []sent{{"a", 1005 * ms}, {"b", 1015 * ms}}, receive(t, c, 2))
	})
}

func TestPacketCloseDuringAStall(t *testing.T) {
	for _, latency := range []time.Duration{0, ms} {
		config := Config{Write: netem.Link{Latency: latency}}
		packetBubble(t, config, func(t *testing.T, c *PacketConn, far *memoryConn) {
			c.Stall()
			writeTo(t, c, "a")
			start := time.Now()
			assert.ErrorContains(t, shut(c), "1 datagram that was written was discarded")
			assert.Equal(t, maxStall, time.Since(start))
		})
		packetBubble(t, config, func(t *testing.T, c *PacketConn, far *memoryConn) {
			c.Stall()
			writeTo(t, c, "a")
			c.SetLinks(netem.Link{}, netem.Link{Latency: time.Minute})
			go func() {
				time.Sleep(time.Second)
				c.Resume()
			}()
			require.NoError(t, shut(c))
			assert.Equal(t, []sent{{"a", time.Second + time.Minute}}, far.got(), "a stall that ends in time")
		})
	}
}

// A closed connection leaves no timer.
func TestPacketCloseStopsTimers(t *testing.T) {
	near, _ := memoryPair()
	c := NewPacketConn(near, Config{Clock: clock.NewMock(), Write: netem.Link{Latency: ms}})
	writeTo(t, c, "a")
	require.NoError(t, c.SetDeadline(c.clock.Now().Add(time.Hour)))
	require.NoError(t, c.SetLinger(0))
	require.Error(t, shut(c))
	assert.Zero(t, c.in.deadline.timer)
	assert.Zero(t, c.out.deadline.timer)
	assert.Zero(t, c.out.stallTimer)
	assert.Zero(t, c.out.parked)
}
