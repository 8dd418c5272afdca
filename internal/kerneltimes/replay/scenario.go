package replay

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Scenario runs a scenario in simulated time, with a seed, and returns its figures.
func Scenario(t *testing.T, s *kerneltimes.Scenario, seed uint64) (figures []kerneltimes.Figure) {
	t.Helper()
	n := &network{}
	tcp := s.TCP
	if tcp.Congestion == 0 {
		tcp.Congestion = netem.CUBIC
	}
	config := simtest.Config{Seed: seed, TCP: tcp, KeepPools: true, KeepRand: true, Trace: n.trace}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("client")
		sim.Host("server")
		sim.SetProfile("client", "server", s.Path)
		n.sim, n.start = sim, time.Now()
		var err error
		if figures, err = s.Run(n); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
	})
	for i := range figures {
		figures[i].Scenario, figures[i].Runs = s.Name, 1
	}
	return figures
}

// A network is two simulated hosts.
type network struct {
	sim   *simtest.Sim
	start time.Time
	lost  []time.Time
}

// trace receives the events.
func (n *network) trace(e trace.Event) {
	if e.Kind == trace.Drop {
		n.lost = append(n.lost, n.start.Add(e.At))
	}
}

func (n *network) Listen() (net.Listener, error) { return n.sim.Host("server").Listen("tcp", ":80") }

func (n *network) Dial(ctx context.Context) (net.Conn, error) {
	return n.sim.Host("client").DialContext(ctx, "tcp", "server:80")
}

func (n *network) Cut(up, down bool) {
	n.sim.Heal()
	if up {
		n.sim.PartitionOneWay([]string{"client"}, []string{"server"})
	}
	if down {
		n.sim.PartitionOneWay([]string{"server"}, []string{"client"})
	}
}

func (n *network) Lost() []time.Time { return n.lost }
