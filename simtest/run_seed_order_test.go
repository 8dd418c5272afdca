package simtest_test

import (
	"sync"
	"testing"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// If two goroutines act at the same instant, some seeds let one act first, and some the
// other.
func TestSeedsFindBothOrders(t *testing.T) {
	for what, do := range map[string]func(t *testing.T, sim *simtest.Sim, name string){
		"dials of one host": func(t *testing.T, sim *simtest.Sim, name string) {
			_, err := sim.Host("a").Dial("tcp", name+":1")
			require.NoError(t, err)
		},
		"dials of two hosts": func(t *testing.T, sim *simtest.Sim, name string) {
			_, err := sim.Host(name).Dial("tcp", "a:1")
			require.NoError(t, err)
		},
		"faults": func(_ *testing.T, sim *simtest.Sim, name string) { sim.Host(name).Crash() },
	} {
		t.Run(what, func(t *testing.T) {
			first := make(map[string]int)
			for seed := range uint64(20) {
				var order []string
				note := func(e trace.Event) {
					switch {
					case e.Kind == trace.Connect && e.From == "a":
						if e.Conn.Number == 1 {
							order = append(order, e.To)
						}
					case e.Kind == trace.Connect:
						order = append(order, e.From)
					case e.Kind == trace.HostEvent:
						order = append(order, e.To)
					}
				}
				simtest.Config{Seed: seed + 1, Trace: note, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
					for _, name := range []string{"a", "b", "c"} {
						_, err := sim.Host(name).Listen("tcp", ":1")
						require.NoError(t, err)
					}
					var both sync.WaitGroup
					for _, name := range []string{"b", "c"} {
						both.Go(func() { do(t, sim, name) })
					}
					both.Wait()
				})
				require.NotEmpty(t, order)
				first[order[0]]++
			}
			assert.Len(t, first, 2, "%v", first)
		})
	}
}
