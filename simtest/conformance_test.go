package simtest

import (
	"net"
	"runtime/debug"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/nettest"
)

func TestMain(m *testing.M) {
	tier.AtOnce(4)
	debug.SetGCPercent(400) // garbage of a simulation is collected before the next anyway
	goleak.VerifyTestMain(m)
}

// Outside of a bubble, in real time, connections pass the standard library's own
// conformance suite.
func TestConformance(t *testing.T) {
	for name, link := range map[string]netem.Link{
		"zero":    {},
		"latency": {Latency: 100 * time.Microsecond},
		"rate":    {Rate: netem.Gbps},
		"pace":    {Pace: netem.Pace{Bytes: 4096, Wait: 10 * time.Microsecond}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				sim := newSim(Config{}, func() {})
				sim.startLoop(func(f func()) { f() })
				a, b := sim.Host("a"), sim.Host("b")
				sim.SetLink("a", "b", link)
				sim.SetLink("b", "a", link)
				listener, err := b.Listen("tcp", ":0")
				require.NoError(t, err)
				_, port, err := net.SplitHostPort(listener.Addr().String())
				require.NoError(t, err)
				c1, err = a.DialContext(t.Context(), "tcp", net.JoinHostPort("b", port))
				require.NoError(t, err)
				c2, err = listener.Accept()
				require.NoError(t, err)
				return c1, c2, sim.close, nil
			})
		})
	}
}
