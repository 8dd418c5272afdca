package simtest_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// apart sets a link of 100 ms each way between the hosts a and b.
func apart(sim *simtest.Sim) {
	sim.SetLink("a", "b", netem.Link{Latency: 100 * ms})
	sim.SetLink("b", "a", netem.Link{Latency: 100 * ms})
}

// read1 reads a byte, which must be want.
func read1(t *testing.T, c net.Conn, want byte) {
	t.Helper()
	var p [1]byte
	_, err := io.ReadFull(c, p[:])
	require.NoError(t, err)
	assert.Equal(t, string(want), string(p[:]))
}

// write1 writes a byte.
func write1(t *testing.T, c net.Conn, b byte) {
	t.Helper()
	_, err := c.Write([]byte{b})
	require.NoError(t, err)
}

// Bytes lost in a partition are retransmitted after the round trip of 200 ms, then
// after 400, 800 and 1,600 ms more, and so on: a partition of a second delays bytes
// written at its beginning by 200 + 400 + 800 ms.
func TestPartitionHoldsAStreamUp(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		client, server := connected(t, sim)
		write1(t, client, '1')
		sim.Partition([]string{"a"}, []string{"b"})
		start := sim.Elapsed()
		write1(t, client, '2')
		sim.At(start+time.Second, func() { sim.Heal() })
		sim.At(start+1100*ms, func() { write1(t, client, '3') }) // queued after the waiting byte

		read1(t, server, '1')
		assert.Equal(t, start+100*ms, sim.Elapsed(), "what was in flight arrives")
		read1(t, server, '2')
		assert.Equal(t, start+1400*ms+100*ms, sim.Elapsed())
		read1(t, server, '3')
		assert.Equal(t, start+1400*ms+100*ms, sim.Elapsed())

		write1(t, client, '4')
		read1(t, server, '4')
		assert.Equal(t, start+1600*ms, sim.Elapsed(), "all is as before")
	})
}

// givesUp is the time for which a writer retransmits over links of 100 ms: a probe
// after 0.6 s, then timeouts of 0.6, 1.2 ... 76.8 s, which add up to 153 s, and seven
// of two minutes.
const givesUp = 600*ms + 153*time.Second + 7*2*time.Minute

// If a partition does not end, a writer gets an error after givesUp. An end that only
// reads gets an error earlier, when its keep-alive probes fail.
func TestPartitionThatDoesNotEnd(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		client, server := connected(t, sim)
		sim.Settle()
		sim.Partition([]string{"a"}, []string{"b"})
		start := sim.Elapsed()
		write1(t, client, 'x')
		_, err := client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.ErrorContains(t, err, "read: connection timed out")
		assert.Equal(t, start+givesUp, sim.Elapsed())
		_, err = client.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.EPIPE)

		_, err = server.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, start+givesUp, sim.Elapsed(), "its keep-alive probes failed long before")
	})
}

// A dial sends requests after 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s, and gives up
// after 131.
func TestDialAcrossAPartition(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		a, b := sim.Host("a"), sim.Host("b")
		_, err := b.Listen("tcp", ":1")
		require.NoError(t, err)
		sim.Partition([]string{"a"}, []string{"b"})
		_, err = a.Dial("tcp", "b:1")
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.ErrorContains(t, err, "dial tcp 10.0.0.2:1: connect: connection timed out")
		assert.Equal(t, 131*time.Second, sim.Elapsed())

		start := sim.Elapsed()
		sim.At(start+5*time.Second, func() { sim.Heal("a") })
		_, err = a.Dial("tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, start+7*time.Second+200*ms, sim.Elapsed())

		// If only the other direction is cut, the request arrives, but its answer does
		// not. The server retransmits it after a second and after two.
		start = sim.Elapsed()
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		sim.At(start+2*time.Second, func() { sim.Heal("b") })
		_, err = a.Dial("tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, start+2*time.Second+200*ms, sim.Elapsed())
	})
}

// If only acknowledgements are lost, bytes arrive, and the writer gets an error because
// they were not acknowledged.
func TestPartitionOneWay(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		client, server := connected(t, sim)
		read := func(want byte, at time.Duration) {
			read1(t, server, want)
			assert.Equal(t, at, sim.Elapsed())
		}
		start := sim.Elapsed()
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		write1(t, client, '1')
		read('1', start+100*ms)
		write1(t, client, '2')
		read('2', start+200*ms)
		write1(t, server, 'x') // lost; retransmitted 200, 600, 1,400 ms later
		sim.At(start+time.Second, func() { sim.Heal() })
		read1(t, client, 'x')
		assert.Equal(t, start+200*ms+1400*ms+100*ms, sim.Elapsed())

		start = sim.Elapsed()
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		write1(t, client, '3')
		read('3', start+100*ms)
		_, err := client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, start+102200*ms+7*time.Minute, sim.Elapsed())
	})
}

// A single side is cut off from all others, and healing by name does not affect other
// cuts.
func TestPartitionOfSides(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		names := []string{"a", "b", "c", "d"}
		for _, name := range names {
			_, err := sim.Host(name).Listen("tcp", ":1")
			require.NoError(t, err)
		}
		reaches := func() (pairs []string) {
			for _, from := range names {
				for _, to := range names {
					conn, err := sim.Host(from).Dial("tcp", to+":1")
					if err == nil {
						pairs = append(pairs, from+to)
						require.NoError(t, conn.Close())
					}
				}
			}
			return pairs
		}
		sim.Partition([]string{"a"})
		assert.Equal(t, []string{"aa", "bb", "bc", "bd", "cb", "cc", "cd", "db", "dc", "dd"}, reaches())
		sim.Heal("b")
		assert.Equal(t, []string{"aa", "ab", "ba", "bb", "bc", "bd", "cb", "cc", "cd", "db", "dc", "dd"}, reaches())
		sim.Heal()
		assert.Len(t, reaches(), 16)
		sim.Partition([]string{"a", "b"}, []string{"c"}, []string{"d"})
		assert.Equal(t, []string{"aa", "ab", "ba", "bb", "cc", "dd"}, reaches())
	})
}

// A partition without sides panics in the call, and has no effect.
func TestPartitionWithoutSides(t *testing.T) {
	simtest.Config{KeepEvents: 10}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a")
		var sides [][]string
		assert.PanicsWithValue(t, `simtest: Partition needs at least one side, such as []string{"poet"}`, func() { sim.Partition(sides...) })
		assert.Empty(t, sim.Trace().Events())
	})
}

// If the reader makes room during a partition, the window opens when the partition is
// healed.
func TestPartitionAtAFullWindow(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		client, server := connected(t, sim)
		go func() {
			_, err := client.Write(make([]byte, 1<<20+1))
			assert.NoError(t, err)
			_ = client.Close()
		}()
		time.Sleep(time.Second)
		sim.Partition([]string{"a"}, []string{"b"})
		start := sim.Elapsed()
		_, err := io.ReadFull(server, make([]byte, 1<<20))
		require.NoError(t, err)
		time.Sleep(time.Second)
		sim.Heal()
		n, err := io.Copy(io.Discard, server)
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
		assert.Equal(t, start+time.Second+200*ms, sim.Elapsed())
	})
}

// Held packets arrive in order when they are released, but not before their regular
// time. Packets in flight when the hold begins are not held.
func TestHold(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		apart(sim)
		client, server := connected(t, sim)
		start := sim.Elapsed()
		write1(t, client, '1')
		sim.Hold("a", "b")
		write1(t, client, '2')
		write1(t, server, 'x')
		time.Sleep(950 * ms)
		write1(t, client, '3')
		read1(t, server, '1')
		time.Sleep(50 * ms)
		sim.Release("a", "b")
		read1(t, server, '2')
		read1(t, client, 'x')
		assert.Equal(t, start+time.Second, sim.Elapsed())
		read1(t, server, '3')
		assert.Equal(t, start+1050*ms, sim.Elapsed(), "it was sent 950 ms after the start")

		sim.Hold("a", "b")
		start = sim.Elapsed()
		_, err := sim.Host("b").Listen("tcp", ":2")
		require.NoError(t, err)
		sim.At(start+time.Minute, func() { sim.Release("b", "a") })
		_, err = sim.Host("a").Dial("tcp", "b:2")
		require.NoError(t, err)
		assert.Equal(t, start+time.Minute+100*ms, sim.Elapsed(), "the request was held, the answer is sent later")
	})
}

// A fault spares packets that were sent before it at the same instant, even if a slow
// link is still serializing them. Packets that enter the link later are lost.
func TestFaultsComeAfterPacketsSentBefore(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Rate: 8 * netem.Kbps}) // a byte takes a millisecond
		client, server := connected(t, sim)
		start := sim.Elapsed()
		_, err := client.Write(make([]byte, 100))
		require.NoError(t, err)
		_, err = client.Write(make([]byte, 100)) // leaves after 100 ms
		require.NoError(t, err)
		sim.Partition([]string{"a"}, []string{"b"})
		_, err = io.ReadFull(server, make([]byte, 100))
		require.NoError(t, err)
		assert.Equal(t, start+100*ms, sim.Elapsed())
		time.Sleep(ms)
		sim.Heal()
		_, err = io.ReadFull(server, make([]byte, 100))
		require.NoError(t, err)
		assert.Equal(t, start+100*ms+200*ms+100*ms, sim.Elapsed(), "lost after 100 ms, and retransmitted 200 ms later")
	})
}

// The cost of a partition grows with the number of its names, not with the square of
// the number of hosts.
func TestPartitionOfManyHostsCostsLittle(t *testing.T) {
	const hosts = 2000
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		var names []string
		var sides [][]string
		for i := range hosts {
			names = append(names, fmt.Sprint("h", i))
			sides = append(sides, []string{names[i]})
			sim.Host(names[i])
		}
		for name, fault := range map[string]func(){
			"two sides":       func() { sim.Partition(names[:hosts/2], names[hosts/2:]) },
			"one side":        func() { sim.Partition(names[:1000]) },
			"one host":        func() { sim.Partition(names[:1]) },
			"each by itself":  func() { sim.Partition(sides...) },
			"one way":         func() { sim.PartitionOneWay(names[:1000], names[1000:]) },
			"heal":            func() { sim.Heal() },
			"heal by name":    func() { sim.Partition(names[:1000]); sim.Heal(names[:1000]...) },
			"all sides alike": func() { sim.Partition(names, names) },
		} {
			sim.Heal()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			fault()
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10<<20), name)
		}
	})
}

// A host that is on both sides of a partition is not cut off from itself.
func TestPartitionSparesAHostItself(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		for _, far := range []string{"b", "c", "d", "e"} { // so that there are more routes than cuts
			sim.SetLink("a", far, netem.Link{})
			sim.SetLink(far, "a", netem.Link{})
			sim.Host(far)
		}
		listener, err := sim.Host("a").Listen("tcp", ":1")
		require.NoError(t, err)
		conn, err := sim.Host("a").Dial("tcp", "a:1")
		require.NoError(t, err)
		peer, err := listener.Accept()
		require.NoError(t, err)
		sim.Partition([]string{"a"}, []string{"a", "b"})
		write1(t, conn, 'x')
		read1(t, peer, 'x')
		assert.Zero(t, sim.Elapsed())
	})
}
