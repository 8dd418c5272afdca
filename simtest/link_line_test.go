package simtest_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// pingBesideDownload returns the round trip of a datagram while a download fills the
// queue of the link from b to a.
func pingBesideDownload(t *testing.T, queue netem.Queue) (roundTrip time.Duration) {
	t.Helper()
	link := netem.Link{Latency: 10 * ms, Rate: 10 * netem.Mbps, Queue: queue}
	overTCP(t, simtest.Config{Link: link}, func(t *testing.T, sim *simtest.Sim) {
		echo, err := sim.Host("b").ListenPacket("udp", ":7")
		require.NoError(t, err)
		defer echo.Close()
		go func() {
			buffer := make([]byte, 100)
			for {
				n, from, err := echo.ReadFrom(buffer)
				if err != nil {
					return
				}
				_, _ = echo.WriteTo(buffer[:n], from)
			}
		}()
		sim.At(2*time.Second, func() {
			ping, err := sim.Host("a").Dial("udp", "b:7")
			if !assert.NoError(t, err) {
				return
			}
			defer ping.Close()
			start := sim.Elapsed()
			for n := 0; n == 0; { // the queue may drop it
				_, _ = ping.Write([]byte("ping"))
				assert.NoError(t, ping.SetReadDeadline(time.Now().Add(time.Second)))
				n, _ = ping.Read(make([]byte, 10))
			}
			roundTrip = sim.Elapsed() - start
		})
		took := download(t, sim, 1, 4_000_000)
		assert.InDelta(t, 3.4, took.Seconds(), 0.3, "the rate is used")
	})
	return roundTrip
}

// A ping during a download waits in the download's queue, which a discipline keeps
// short.
func TestPingBesideADownloadFeelsTheQueue(t *testing.T) {
	fifo := pingBesideDownload(t, netem.Queue{Packets: 100})
	assert.Greater(t, fifo, 60*ms)
	assert.Less(t, fifo, 20*ms+100*1500*8*time.Second/10_000_000+2*ms)
	assert.Less(t, pingBesideDownload(t, netem.Queue{Packets: 100, Discipline: netem.CoDel}), 45*ms)
	assert.Less(t, pingBesideDownload(t, netem.Queue{Packets: 100, Discipline: netem.FQCoDel}), 25*ms)
}

// Ideal streams share the rate too, one packet at a time, also with datagrams.
func TestIdealStreamsShareTheLink(t *testing.T) {
	simtest.Config{TCP: unlimited, Link: netem.Link{Rate: 12 * netem.Mbps}, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		assert.Equal(t, 4*time.Second, download(t, sim, 4, 1_500_000))
	})
}

// A link changes under a connection: later bytes use the new one, whose packets may be
// smaller.
func TestLinkChangesUnderADownload(t *testing.T) {
	link := netem.Link{Latency: 10 * ms, Rate: 10 * netem.Mbps}
	overTCP(t, simtest.Config{Link: link}, func(t *testing.T, sim *simtest.Sim) {
		sim.At(time.Second, func() {
			sim.SetLink("b", "a", netem.Link{Latency: 100 * ms, Rate: netem.Mbps, MTU: 600})
		})
		took := download(t, sim, 1, 1_500_000)
		assert.Greater(t, took, 2*time.Second)
		assert.Less(t, took, 4200*ms, "bytes that had entered the old link have passed at its rate")
	})
}

// Through an MTU black hole small answers arrive and full segments never do.
func TestMTUBlackHole(t *testing.T) {
	link := netem.Link{Latency: 10 * ms, MTU: 1400, DropOversize: true}
	overTCP(t, simtest.Config{Link: link}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		passThenVanish(t, client, server)
		require.NoError(t, server.SetReadDeadline(time.Now().Add(time.Hour)))
		n, err := server.Read(make([]byte, 2000))
		require.Error(t, err)
		assert.Zero(t, n)
	})
}

// passThenVanish sends bytes that fit into the MTU, which arrive, and then more, which
// do not.
func passThenVanish(t *testing.T, client, server net.Conn) {
	t.Helper()
	_, err := client.Write(make([]byte, 1000))
	require.NoError(t, err)
	n, err := server.Read(make([]byte, 2000))
	require.NoError(t, err)
	assert.Equal(t, 1000, n)
	_, err = client.Write(make([]byte, 2000))
	require.NoError(t, err)
}

// A socket whose datagrams wait for its pace does not delay others on the link.
func TestPaceOfASocketHoldsUpNoOther(t *testing.T) {
	link := netem.Link{Rate: netem.Mbps, Pace: netem.Pace{Wait: time.Second}}
	simtest.Config{Link: link, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server, err := sim.Host("b").ListenPacket("udp", ":7")
		require.NoError(t, err)
		defer server.Close()
		send := func(datagrams int) {
			conn, err := sim.Host("a").Dial("udp", "b:7")
			if !assert.NoError(t, err) {
				return
			}
			defer conn.Close()
			for range datagrams {
				_, err := conn.Write(make([]byte, 125*datagrams)) // takes 1 ms for each
				assert.NoError(t, err)
			}
		}
		send(3)
		sim.At(100*ms, func() { send(1) })
		var sizes []int
		for range 4 {
			n, _, err := server.ReadFrom(make([]byte, 1000))
			require.NoError(t, err)
			sizes = append(sizes, n)
			if n == 125 {
				assert.Equal(t, 101*ms, sim.Elapsed())
			}
		}
		assert.Equal(t, []int{375, 125, 375, 375}, sizes)
	})
}
