package simtest_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The default link applies between any two hosts, unless a link is set for them.
func TestDefaultLink(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: time.Second}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		for _, name := range []string{"a", "b", "c"} {
			_, err := sim.Host(name).Listen("tcp", ":1")
			require.NoError(t, err)
		}
		sim.SetProfile("a", "b", netem.Profile{Name: "test", Up: netem.Link{Latency: 10 * ms}, Down: netem.Link{Latency: 20 * ms}})
		took := func(from, address string) time.Duration {
			start := sim.Elapsed()
			_, err := sim.Host(from).Dial("tcp", address)
			require.NoError(t, err)
			return sim.Elapsed() - start
		}
		assert.Equal(t, 2*time.Second, took("a", "c:1"))
		assert.Equal(t, 2*time.Second, took("c", "b:1"))
		assert.Zero(t, took("c", "c:1"))
		assert.Zero(t, took("c", "localhost:1"))
		assert.Equal(t, 30*ms, took("a", "b:1"))
		sim.SetLink("c", "c", netem.Link{Latency: ms})
		assert.Equal(t, 2*ms, took("c", "c:1"))
		assert.Panics(t, func() { sim.SetProfile("a", "b", netem.Profile{Up: netem.Link{Latency: -1}}) })
	})
	assert.PanicsWithValue(t, "simtest: Config.Link: netem: Latency is -1ns: it must be 0 or more", func() {
		simtest.Config{Link: netem.Link{Latency: -1}}.Run(t, func(*testing.T, *simtest.Sim) {})
	})
}

// Pairs that share a bottleneck share its rate fairly: two streams of 3,000
// bytes, over 1,500 bytes a second, take turns by packets of 1,500.
func TestSharedBottleneck(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		link := netem.Link{Bottleneck: netem.NewBottleneck(12 * netem.Kbps)}
		sim.SetLink("a", "c", link)
		sim.SetLink("b", "c", link)
		listener, err := sim.Host("c").Listen("tcp", ":1")
		require.NoError(t, err)
		var readers sync.WaitGroup
		var mu sync.Mutex
		arrivals := make(map[string][]time.Duration)
		for _, name := range []string{"a", "b"} {
			client, err := sim.Host(name).Dial("tcp", "c:1")
			require.NoError(t, err)
			server, err := listener.Accept()
			require.NoError(t, err)
			_, err = client.Write(make([]byte, 4500))
			require.NoError(t, err)
			readers.Go(func() {
				for range 3 {
					_, err := io.ReadFull(server, make([]byte, 1500))
					assert.NoError(t, err)
					mu.Lock()
					arrivals[name] = append(arrivals[name], sim.Elapsed())
					mu.Unlock()
				}
			})
		}
		readers.Wait()
		const s = time.Second
		assert.Equal(t, map[string][]time.Duration{"a": {1 * s, 3 * s, 5 * s}, "b": {2 * s, 4 * s, 6 * s}}, arrivals)
	})
}

// A queue makes a writer wait: over a link that passes 1,000 bytes a second and queues
// 1,000, the last of 3,000 bytes is accepted when nearly 2,000 have left.
func TestQueueMakesAWriterWait(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Rate: 8 * netem.Kbps, Queue: netem.Queue{Bytes: 1000}, MTU: 100})
		waitForTheQueue(t, sim)
	})
}

// waitForTheQueue connects a to b and writes 3,000 bytes, over a link that passes ten
// packets of 100 bytes a second and queues ten.
func waitForTheQueue(t *testing.T, sim *simtest.Sim) (client net.Conn) {
	t.Helper()
	client, server := connected(t, sim)
	go func() { _, _ = io.Copy(io.Discard, server) }()
	_, err := client.Write(make([]byte, 1000))
	require.NoError(t, err)
	assert.Zero(t, sim.Elapsed())
	_, err = client.Write(make([]byte, 2000))
	require.NoError(t, err)
	// One packet is on the link and ten wait for it: the last of thirty is accepted
	// when nineteen have left.
	assert.Equal(t, 1900*ms, sim.Elapsed())
	return client
}

// A stream over a lossy link is late but complete.
func TestStreamOverALossyLink(t *testing.T) {
	simtest.Config{Seed: 5}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		link := netem.Link{
			Latency: 50 * ms, Jitter: netem.Jitter{Deviation: 20 * ms}, Rate: netem.Mbps,
			Loss: netem.Loss{Random: 0.05}, Duplicate: netem.Chance{Probability: 0.02},
			Corrupt: netem.Chance{Probability: 0.02}, Reorder: netem.Chance{Probability: 0.1},
		}
		sim.SetLink("a", "b", link)
		sim.SetLink("b", "a", link)
		client, server := connected(t, sim)
		text := strings.Repeat("0123456789", 20000)
		go func() {
			_, err := io.WriteString(client, text)
			assert.NoError(t, err)
			_ = client.Close()
		}()
		got, err := io.ReadAll(server)
		require.NoError(t, err)
		assert.True(t, string(got) == text)
		assert.Greater(t, sim.Elapsed(), 1600*ms, "for the bits alone")
	})
}

// packetPair opens a socket on a, and one on b.
func packetPair(t *testing.T, sim *simtest.Sim) (a, b net.PacketConn) {
	t.Helper()
	var pair [2]net.PacketConn
	for i, name := range []string{"a", "b"} {
		c, err := sim.Host(name).ListenPacket("udp", name+":5")
		require.NoError(t, err)
		pair[i] = c
	}
	return pair[0], pair[1]
}

// readPackets reads all that arrives within a minute.
func readPackets(c net.PacketConn) (all []string) {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	p := make([]byte, 2000)
	for {
		n, _, err := c.ReadFrom(p)
		if err != nil {
			return all
		}
		all = append(all, string(p[:n]))
	}
}

// The link's impairments affect datagrams.
func TestDatagramsOverLinks(t *testing.T) {
	arrived := func(link netem.Link, sizes ...int) (all []string) {
		simtest.Config{Seed: 3}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.SetLink("a", "b", link)
			a, b := packetPair(t, sim)
			for i, size := range sizes {
				_, err := a.WriteTo([]byte(strings.Repeat(string(rune('0'+i)), size)), b.LocalAddr())
				require.NoError(t, err)
			}
			all = readPackets(b)
		})
		return all
	}
	assert.Equal(t, []string{"0", "", "222"}, arrived(netem.Link{}, 1, 0, 3))
	assert.Empty(t, arrived(netem.Link{Loss: netem.Loss{Random: 1}}, 1, 1))
	assert.Equal(t, []string{"0", "0", "1", "1"}, arrived(netem.Link{Duplicate: netem.Chance{Probability: 1}}, 1, 1))
	assert.Equal(t, []string{"0", "2"}, arrived(netem.Link{MTU: 2}, 1, 3, 1))
	assert.Equal(t, []string{"00", "1"}, arrived(netem.Link{Rate: 8, Queue: netem.Queue{Bytes: 3}}, 2, 1, 2, 1), "no more room")
	corrupted := arrived(netem.Link{Corrupt: netem.Chance{Probability: 1}}, 4)
	require.Len(t, corrupted, 1)
	assert.NotEqual(t, "0000", corrupted[0])
	assert.Len(t, corrupted[0], 4)
	shuffled := arrived(netem.Link{Latency: time.Second, Jitter: netem.Jitter{Deviation: 500 * ms}}, 1, 1, 1, 1, 1)
	assert.ElementsMatch(t, []string{"0", "1", "2", "3", "4"}, shuffled)
	assert.NotEqual(t, []string{"0", "1", "2", "3", "4"}, shuffled, "datagrams overtake each other")
}

// Partitions, refusals and crashes lose datagrams, and the receive buffer is limited.
func TestDatagramsAndFaults(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := packetPair(t, sim)
		send := func(text string) {
			_, err := a.WriteTo([]byte(text), b.LocalAddr())
			require.NoError(t, err)
		}
		send("1")
		sim.Partition([]string{"a"}, []string{"b"})
		send("2")
		sim.Heal()
		sim.Refuse("b:5")
		send("3")
		sim.Settle()
		sim.Allow("b:5")
		sim.Blackhole("b")
		send("4")
		sim.Allow("b")
		sim.Hold("a", "b")
		send("5")
		sim.Release("a", "b")
		sim.Host("b").Pause()
		send("6")
		sim.Host("b").Resume()
		assert.Equal(t, []string{"1", "5", "6"}, readPackets(b))

		big := strings.Repeat("x", 60000)
		for range 5 {
			send(big)
		}
		sim.Settle()
		assert.Len(t, readPackets(b), 3, "3 of 60,000 find room in 212,992 bytes")

		sim.Host("b").Crash()
		_, _, err := b.ReadFrom(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		send("7")
		sim.Host("b").Restart()
		again, err := sim.Host("b").ListenPacket("udp", ":5")
		require.NoError(t, err)
		send("8")
		assert.Equal(t, []string{"8"}, readPackets(again))
	})
}
