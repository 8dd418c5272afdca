package simtest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestExampleSearch(testT *testing.T) {
	t = testT
	ExampleSearch()
}

// Whatever the order of two writers, and whatever is lost, the reader gets a whole line
// from each writer.
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

// A client that dials only once does not survive every fault. The search finds a seed
// that shows this, removes the faults that are not needed, and writes the others to a
// replay file in testdata/simtest, which from then on runs before the seeds, until the
// client is fixed. Here the file contains
//
//	seed 0
//	quiet 51s
//	fault 50s crash server for 1ms
//	message the client has no answer
func ExampleSearch_shrinking() {
	search := simtest.Search{
		Config: simtest.Config{Link: netem.Link{Latency: 20 * ms}},
		Chaos:  simtest.Chaos{Hosts: []string{"server"}, Mix: simtest.ChaosMix{Pause: 3, Crash: 1}},
	}
	search.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server := sim.Host("server")
		server.Run(func(ctx context.Context) error { // and again after each crash
			listener, err := server.Listen("tcp", ":7")
			for err == nil {
				var conn net.Conn
				if conn, err = listener.Accept(); err == nil {
					go func() { _, _ = io.Copy(conn, conn) }()
				}
			}
			return nil
		})
		conn, err := sim.Host("client").Dial("tcp", "server:7")
		require.NoError(t, err)
		defer conn.Close()

		<-sim.Quiet()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintln(conn, "hello")
		if answer, _ := bufio.NewReader(conn).ReadString('\n'); answer != "hello\n" {
			t.Error("the client has no answer")
		}
	})
}

// The example's search fails in a separate process, and writes the replay file that its
// comment shows.
func TestExampleSearchShrinking(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "shrinking", "SIMTEST_SHRINK=5m")
	require.Error(t, run.err, run.output)
	assert.Contains(t, run.output, "it was shrunk")
	require.Len(t, run.reports, 1)
	require.Len(t, run.reports[0].Groups, 1)
	page, err := os.ReadFile("search_example_test.go")
	require.NoError(t, err)
	for line := range strings.Lines(run.reports[0].Groups[0].ReplayText) {
		switch key, _, _ := strings.Cut(line, " "); key {
		case "seed", "quiet", "fault", "ties", "message":
			assert.Contains(t, string(page), "//\t"+line)
		}
	}
}
