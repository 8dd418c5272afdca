package simtest_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet"
)

var t *testing.T // of the test that runs the example

func TestExample(testT *testing.T) {
	t = testT
	ExampleRun()
}

// Two hosts, and a second between them.
func ExampleRun() {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("poet", "reader", slownet.Link{Latency: time.Second})
		listener, err := sim.Host("poet").Listen("tcp", ":10000")
		require.NoError(t, err)
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "a poem")
		}()

		conn, err := sim.Host("reader").DialContext(t.Context(), "tcp", "poet:10000")
		require.NoError(t, err)
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "a poem", string(poem))
		assert.Equal(t, 2*time.Second, sim.Elapsed()) // the answer to the dial, and the poem
	})
}
