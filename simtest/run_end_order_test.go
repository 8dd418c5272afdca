package simtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Everything that is open at the end is closed in a fixed order: host by host, and on
// each host listeners, then dials, then connections.
func TestOrderAtTheEnd(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		sim.SetLink("far", "far", netem.Link{})
		hosts := []string{"a", "b", "c", "d"}
		for _, name := range hosts {
			sim.SetLink(name, "far", netem.Link{Latency: time.Hour})
			host := sim.Host(name)
			listener, err := host.Listen("tcp", ":1")
			require.NoError(t, err)
			conn, err := host.DialContext(t.Context(), "tcp", name+":1")
			require.NoError(t, err)
			_, err = listener.Accept()
			require.NoError(t, err)
			go func() {
				_, err := listener.Accept()
				note("%s accepts: %v", name, err)
			}()
			go func() {
				_, err := conn.Read(make([]byte, 1))
				note("%s reads: %v", name, err)
			}()
		}
		sim.Host("far")
		for _, name := range hosts {
			for _, address := range []string{"far:1", "far:2"} {
				go func() {
					_, err := sim.Host(name).DialContext(context.Background(), "tcp", address)
					note("%s dials %s: %v", name, address, err)
				}()
				time.Sleep(ms)
			}
		}
	})
}
