package clients_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/poetry"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The experiment: three slow servers, each on a host of its own.
var experiment = []struct {
	poem  string
	bytes int
}{{"ecstasy", 30}, {"fascination", 10}, {"science", 10}}

// keepPools is the configuration for tests that run a simulation many times.
var keepPools = simtest.Config{KeepPools: true}

// perform runs the experiment in a simulation and returns what the commands
// would print.
func perform(t *testing.T, link netem.Link, get func(*clients.Client, []string) ([]clients.Result, time.Duration), observer func(*cli.Printer) func(clients.TaskEvent)) (output string, results []clients.Result, elapsed time.Duration) {
	keepPools.Run(t, func(t *testing.T, sim *simtest.Sim) {
		reader := sim.Host("reader")
		var addresses []string
		for i, config := range experiment {
			poem, ok := poetry.Poem(config.poem)
			require.True(t, ok)
			sim.SetLink("reader", config.poem, link)
			sim.SetLink(config.poem, "reader", link)
			listener, err := sim.Host(config.poem).Listen("tcp", fmt.Sprint(":", 10000+i))
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: poem, Pace: netem.Pace{Bytes: config.bytes, Wait: 100 * ms}})
			addresses = append(addresses, fmt.Sprint(config.poem, ":", 10000+i))
		}
		var out strings.Builder
		printer := &cli.Printer{Out: &out, Err: &out}
		results, elapsed = get(&clients.Client{Dial: reader.DialContext, Observer: observer(printer)}, addresses)
		printer.Sums(results)
		output = out.String()
		for i, config := range experiment {
			poem, _ := poetry.Poem(config.poem)
			assert.Equal(t, string(poem), string(results[i].Poem))
		}
	})
	return output, results, elapsed
}

func timed(get func(*clients.Client, context.Context, []string) []clients.Result) func(*clients.Client, []string) ([]clients.Result, time.Duration) {
	return func(c *clients.Client, addresses []string) ([]clients.Result, time.Duration) {
		start := time.Now()
		results := get(c, context.Background(), addresses)
		return results, time.Since(start)
	}
}

func TestExperimentBlocking(t *testing.T) {
	output, results, elapsed := perform(t, netem.Link{}, timed((*clients.Client).GetAll),
		func(p *cli.Printer) func(clients.TaskEvent) { return p.Blocking })
	assert.Equal(t, 10100*ms, results[0].Elapsed) // 3003 bytes are 100 pieces of 30 and one of 3
	assert.Equal(t, 6300*ms, results[1].Elapsed)  // 623 bytes are 62 pieces of 10 and one of 3
	assert.Equal(t, 6600*ms, results[2].Elapsed)  // 653 bytes are 65 pieces of 10 and one of 3
	assert.Equal(t, 23*time.Second, elapsed)
	assert.Equal(t, `Task 1: get poetry from: ecstasy:10000
Task 1: got 3003 bytes of poetry from ecstasy:10000 in 0:00:10.100000
Task 2: get poetry from: fascination:10001
Task 2: got 623 bytes of poetry from fascination:10001 in 0:00:06.300000
Task 3: get poetry from: science:10002
Task 3: got 653 bytes of poetry from science:10002 in 0:00:06.600000
Task 1: 3003 bytes of poetry
Task 2: 623 bytes of poetry
Task 3: 653 bytes of poetry
`, output)
}

func TestExperimentAsync(t *testing.T) {
	var want strings.Builder
	for piece := range 101 {
		for i, config := range experiment {
			poem, _ := poetry.Poem(config.poem)
			if left := len(poem) - piece*config.bytes; left > 0 {
				fmt.Fprintf(&want, "Task %d: got %d bytes of poetry from %s:%d\n", i+1, min(left, config.bytes), config.poem, 10000+i)
			}
		}
	}
	want.WriteString("Task 1: 3003 bytes of poetry\nTask 2: 623 bytes of poetry\nTask 3: 653 bytes of poetry\n")
	for range 100 { // the same lines in the same order, every time
		output, results, elapsed := perform(t, netem.Link{}, timed((*clients.Client).GetAllAsync),
			func(p *cli.Printer) func(clients.TaskEvent) { return p.Async })
		require.Equal(t, 10100*ms, elapsed)
		require.Equal(t, 10100*ms, results[0].Elapsed)
		require.Equal(t, 6300*ms, results[1].Elapsed)
		require.Equal(t, 6600*ms, results[2].Elapsed)
		require.Equal(t, want.String(), output)
	}
}

// On a slow path, connecting takes an additional round trip, and the last bytes
// arrive half a round trip later.
func TestExperimentFarAway(t *testing.T) {
	link := netem.Link{Latency: 150 * ms}
	_, results, elapsed := perform(t, link, timed((*clients.Client).GetAllAsync),
		func(p *cli.Printer) func(clients.TaskEvent) { return p.Async })
	// Connecting takes 2 x 150 ms. The server has the connection 150 ms after
	// the SYN, and the end of the poem is in flight for 150 ms.
	assert.Equal(t, 4*150*ms+6300*ms, results[1].Elapsed)
	assert.Equal(t, 4*150*ms+10100*ms, elapsed)
}

// Tasks at one address are served in the order in which they were given, in
// every run.
func TestSameAddressInOrder(t *testing.T) {
	run := func() (output string) {
		keepPools.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("poet").Listen("tcp", ":1")
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: []byte("po"), Pace: netem.Pace{Bytes: 1, Wait: time.Second}, Concurrent: true})
			var out strings.Builder
			client := &clients.Client{Dial: sim.Host("reader").DialContext, Observer: (&cli.Printer{Out: &out, Err: &out}).Async}
			client.GetAllAsync(t.Context(), repeat("poet:1", 9))
			output = out.String()
		})
		return output
	}
	first := run()
	assert.True(t, strings.HasPrefix(first, "Task 1: got 1 byte of poetry from poet:1\nTask 2: got"), first)
	for range 50 {
		require.Equal(t, first, run())
	}
}

// Poems of one address that are requested with separate calls are also served in order.
func TestSameAddressAsyncInOrder(t *testing.T) {
	for range 50 {
		keepPools.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("poet").Listen("tcp", ":1")
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: []byte("po"), Pace: netem.Pace{Bytes: 1, Wait: time.Second}})
			client := &clients.Client{Dial: sim.Host("reader").DialContext}
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			var r reactor.Reactor
			var done []string
			for i := range 6 {
				client.GetPoetryAsync(ctx, &r, "poet:1", func(poem []byte, err error) {
					done = append(done, fmt.Sprintf("%d %s %v %v", i, poem, err, sim.Elapsed()))
				})
			}
			require.NoError(t, r.Run())
			require.Equal(t, []string{"0 po <nil> 2s", "1 po <nil> 4s", "2 po <nil> 6s",
				"3 p context deadline exceeded 7s", "4  context deadline exceeded 7s", "5  context deadline exceeded 7s"}, done)
		})
	}
}

// Dials that fail immediately are reported in order, too.
func TestFailuresInOrder(t *testing.T) {
	addresses := []string{"nobody:1", "10.9.9.9:1", "poet:2", "none:1", "poet:", "10.9.9.8:1"}
	var first []int
	for range 100 {
		keepPools.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("poet")
			var failed []int
			client := &clients.Client{Dial: sim.Host("reader").DialContext, Observer: func(e clients.TaskEvent) {
				if e.Kind == clients.Failed {
					failed = append(failed, e.Task)
				}
			}}
			client.GetAllAsync(t.Context(), addresses)
			if first == nil {
				first = failed
			}
			require.Len(t, failed, len(addresses))
			require.Equal(t, first, failed)
		})
	}
}

// Connections that are open when the simulation ends are closed in order.
func TestEndInOrder(t *testing.T) {
	for range 50 {
		var failed []int
		keepPools.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var addresses []string
			for i := range 5 {
				name := fmt.Sprint("poet", i)
				listener, err := sim.Host(name).Listen("tcp", ":1")
				require.NoError(t, err)
				go func() { // accepts, and sends nothing
					for {
						if _, err := listener.Accept(); err != nil {
							return
						}
					}
				}()
				addresses = append(addresses, name+":1")
			}
			client := &clients.Client{Dial: sim.Host("reader").DialContext, Observer: func(e clients.TaskEvent) {
				if e.Kind == clients.Failed {
					failed = append(failed, e.Task)
				}
			}}
			go client.GetAllAsync(context.Background(), addresses)
			time.Sleep(time.Second)
		})
		require.Equal(t, []int{1, 2, 3, 4, 5}, failed)
	}
}

// Servers that stall at the same instant are reported in order.
func TestStallsInOrder(t *testing.T) {
	for range 50 {
		keepPools.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var failed []int
			client := &clients.Client{Dial: blackhole, Observer: func(e clients.TaskEvent) {
				if e.Kind == clients.Failed {
					failed = append(failed, e.Task)
				}
			}}
			client.GetAllAsync(t.Context(), []string{"a:1", "b:1", "a:1", "c:1", "b:1"})
			require.Equal(t, []int{1, 2, 3, 4, 5}, failed)
		})
	}
}
