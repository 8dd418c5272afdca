package simtest_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestExampleSearch(testT *testing.T) {
	t = testT
	ExampleSearch()
}

// Whatever order two writers come in, and whatever is lost on the way, the reader
// gets a whole line from each of them.
func ExampleSearch() {
	link := netem.Link{Latency: 50 * ms, Jitter: netem.Jitter{Deviation: 20 * ms}, Loss: netem.Loss{Random: 0.05}}
	search := simtest.Search{Config: simtest.Config{Link: link}, Seeds: 20}
	search.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("reader").Listen("tcp", ":1")
		require.NoError(t, err)
		for _, name := range []string{"alice", "bob"} {
			host := sim.Host(name)
			host.Go(func(ctx context.Context) {
				conn, err := host.DialContext(ctx, "tcp", "reader:1")
				if assert.NoError(t, err) {
					fmt.Fprintln(conn, "hello from", name)
					assert.NoError(t, conn.Close())
				}
			})
		}
		for range 2 {
			conn, err := listener.Accept()
			require.NoError(t, err)
			line, err := io.ReadAll(conn)
			require.NoError(t, err)
			assert.Regexp(t, `^hello from (alice|bob)\n$`, string(line))
		}
	})
}
