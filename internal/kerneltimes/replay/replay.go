// Package replay runs the transfers of a kernel's table in simulated time.
package replay

import (
	"io"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Transfer returns the time of a transfer with a seed, and the time of its dial.
func Transfer(t *testing.T, row *kerneltimes.Transfer, seed uint64) (connected, total time.Duration) {
	t.Helper()
	config := simtest.Config{Seed: seed, TCP: netem.TCP{Congestion: row.Congestion}, KeepPools: true, KeepRand: true}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		must := func(err error) {
			if err != nil {
				t.Fatalf("%v: %v", row, err)
			}
		}
		setPath(sim, row)
		listener, err := sim.Host("server").Listen("tcp", ":80")
		must(err)
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if _, err := io.ReadFull(conn, make([]byte, kerneltimes.Request)); err == nil {
				_, _ = conn.Write(make([]byte, row.Body))
			}
		}()
		conn, err := sim.Host("client").Dial("tcp", "server:80")
		must(err)
		connected = sim.Elapsed()
		_, err = conn.Write(make([]byte, kerneltimes.Request))
		must(err)
		_, err = io.CopyN(io.Discard, conn, int64(row.Body))
		must(err)
		total = sim.Elapsed()
		must(conn.Close())
	})
	return connected, total
}

// setPath sets up the path between the client and the server as in the measurement of
// the kernel. If the path has jitter, a second line applies it after the rate.
func setPath(sim *simtest.Sim, row *kerneltimes.Transfer) {
	up, down := row.Up, row.Down
	if row.Down.Jitter != (netem.Jitter{}) {
		sim.Host("server").SetAccess(netem.Profile{Down: second(&up)})
		sim.Host("client").SetAccess(netem.Profile{Down: second(&down)})
	}
	sim.SetProfile("client", "server", netem.Profile{Up: up, Down: down})
}

// second removes from a link the impairments of the second line, and returns that line's
// link.
func second(link *netem.Link) netem.Link {
	after := netem.Link{Latency: link.Latency, Jitter: link.Jitter}
	link.Latency, link.Jitter = 0, netem.Jitter{}
	return after
}
