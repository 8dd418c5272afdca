package simtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Dials of one instant to several addresses are no race: those that wait in
// vain are told so in one order, whether their host crashes or the simulation
// ends.
func TestOrderOfDialsInVain(t *testing.T) {
	for name, end := range map[string]func(*simtest.Host){"crash": (*simtest.Host).Crash, "end": func(*simtest.Host) {}} {
		t.Run(name, func(t *testing.T) {
			repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
				for _, name := range []string{"b", "c", "d", "e", "f"} {
					sim.Host(name)
					sim.Blackhole(name)
					go func() {
						time.Sleep(time.Second)
						_, err := sim.Host("a").DialContext(context.Background(), "tcp", name+":1")
						note("%s: %v", name, err)
					}()
				}
				time.Sleep(2 * time.Second)
				end(sim.Host("a"))
				time.Sleep(time.Second)
			})
		})
	}
}
