package simtest_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A change of an access applies to packets that enter it from then on, and that do not
// overtake earlier packets.
func TestAccessChanges(t *testing.T) {
	simtest.Config{}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		arrivals := receive(t, sim, "b")
		slow := netem.Link{Rate: 8 * netem.Kbps}
		for _, name := range []string{"a", "b"} {
			sim.Host(name).SetAccess(netem.Profile{Up: slow, Down: slow})
		}
		sendTo(t, sim, "a", "b", "12", 1000)
		time.Sleep(1500 * ms) // 1 is on Down, and 2 on Up
		for _, name := range []string{"a", "b"} {
			sim.Host(name).SetAccess(netem.Profile{})
		}
		sendTo(t, sim, "a", "b", "3", 1000)
		time.Sleep(time.Minute)
		sendTo(t, sim, "a", "b", "4", 1000)
		time.Sleep(time.Second)
		assert.Equal(t, "1 2s, 2 2s, 3 2s, 4 1m1.5s", arrivals())
	})
	withEach(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim, _ bool) {
		client, server := connected(t, sim)
		for _, rate := range []netem.Rate{netem.Mbps, 0, 10 * netem.Mbps, 0} {
			sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Rate: rate, Latency: ms}})
			sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{Rate: rate}})
			_, err := client.Write([]byte(strings.Repeat("0123456789", 2000)))
			require.NoError(t, err)
			time.Sleep(20 * ms)
		}
		got := make([]byte, 80_000)
		_, err := io.ReadFull(server, got)
		require.NoError(t, err)
		assert.True(t, string(got) == strings.Repeat("0123456789", 8000))
	})
}

// A host that crashes has the same access when it is restarted.
func TestAccessAfterACrash(t *testing.T) {
	simtest.Config{}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{Latency: time.Second}})
		sim.Host("b").Crash()
		sim.Host("b").Restart()
		arrivals := receive(t, sim, "b")
		sendTo(t, sim, "a", "b", "1", 1)
		time.Sleep(time.Minute)
		assert.Equal(t, "1 1s", arrivals())
	})
}

// Faults apply when a packet is sent: packets on an access arrive.
func TestFaultsAndAnAccess(t *testing.T) {
	simtest.Config{}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("a").SetAccess(netem.Profile{Up: netem.Link{Rate: 8 * netem.Kbps}})
		sim.Host("b").SetAccess(netem.Profile{Down: netem.Link{Rate: 8 * netem.Mbps}}) // 1 ms each
		arrivals := receive(t, sim, "b")
		sendTo(t, sim, "a", "b", "1", 1000)
		sim.Partition([]string{"a"})
		sendTo(t, sim, "a", "b", "2", 1000)
		sim.Heal()
		sim.Hold("a", "b")
		sendTo(t, sim, "a", "b", "3", 1000)
		time.Sleep(5 * time.Second)
		assert.Equal(t, "1 1.001s", arrivals())
		sim.Release("a", "b")
		sendTo(t, sim, "a", "b", "4", 1000)
		sim.Hold("a", "b")
		time.Sleep(5 * time.Second)
		assert.Equal(t, "1 1.001s, 3 5s, 4 6.001s", arrivals())
	})
}

// Over TCP, times do not depend on whether acknowledgements enter an access in time or
// lazily.
func TestLazyEventsOnAnAccess(t *testing.T) {
	slow := netem.Link{Rate: 200 * netem.Kbps} // so that timers expire without a loss
	lossy := netem.Link{Latency: 20 * ms, Loss: netem.Loss{Random: 0.05}}
	for name, set := range map[string]func(sim *simtest.Sim){
		"client's Down": func(sim *simtest.Sim) { sim.Host("client").SetAccess(netem.Profile{Down: slow}) },
		"client's Up":   func(sim *simtest.Sim) { sim.Host("client").SetAccess(netem.Profile{Up: slow}) },
		"both":          func(sim *simtest.Sim) { sim.Host("client").SetAccess(netem.Profile{Up: slow, Down: slow}) },
		"server's":      func(sim *simtest.Sim) { sim.Host("server0").SetAccess(netem.Profile{Up: lossy, Down: slow}) },
		"later": func(sim *simtest.Sim) {
			sim.At(150*ms, func() { sim.Host("client").SetAccess(netem.Profile{Up: lossy, Down: slow}) })
			sim.At(400*ms, func() { sim.Host("client").SetAccess(netem.Profile{}) })
			sim.At(600*ms, func() { sim.Host("client").SetAccess(netem.Profile{Up: slow, Down: lossy}) })
		},
	} {
		events := func() (all []string) {
			config := simtest.Config{
				Link: netem.Link{Latency: 50 * ms}, TCP: netem.TCP{Congestion: netem.CUBIC}, KeepPools: true,
				Trace: func(e trace.Event) { all = append(all, e.String()) },
			}
			config.Run(t, func(t *testing.T, sim *simtest.Sim) {
				set(sim)
				// The acknowledgements of these bytes take turns with the downloads.
				_, err := sim.Host("quiet").Listen("tcp", ":1")
				require.NoError(t, err)
				conn, err := sim.Host("client").Dial("tcp", "quiet:1")
				require.NoError(t, err)
				sim.Every(130*ms, func() { _, _ = conn.Write([]byte("x")) })
				fetchFromEach(t, sim, 3, 30_000)
			})
			return all
		}
		late := events()
		restore := simtest.SetAllInTime()
		inTime := events()
		restore()
		require.Equal(t, inTime, late, name)
	}
}
