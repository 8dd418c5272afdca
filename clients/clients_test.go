package clients_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/clients/reactor"
	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/poetry"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// serve has a server serve until the test ends.
func serve(t *testing.T, listener net.Listener, server *poetryserver.Server) {
	t.Helper()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}

// poet serves a poem at a pace and returns the address.
func poet(t *testing.T, n *testnet.Net, poem string, pace slownet.Pace) string {
	t.Helper()
	listener, address := n.Listen(t)
	serve(t, listener, &poetryserver.Server{Poem: []byte(poem), Pace: pace, Concurrent: true})
	return address
}

// rude is a server that does something else with each connection.
func rude(t *testing.T, n *testnet.Net, treat func(conn net.Conn)) string {
	t.Helper()
	listener, address := n.Listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			treat(conn)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return address
}

// reset resets a connection after half a poem.
func reset(conn net.Conn) {
	_, _ = io.WriteString(conn, "half")
	time.Sleep(5 * ms) // a reset overtakes what was not read on real sockets
	_ = conn.(interface{ SetLinger(int) error }).SetLinger(0)
	_ = conn.Close()
}

// modes are the two clients.
var modes = []struct {
	name string
	get  func(c *clients.Client, ctx context.Context, addresses []string) []clients.Result
	one  func(c *clients.Client, ctx context.Context, address string) ([]byte, error)
}{
	{"blocking", (*clients.Client).GetAll, (*clients.Client).GetPoetry},
	{"async", (*clients.Client).GetAllAsync, getAsync},
}

// getAsync gets one poem asynchronously, and waits for it.
func getAsync(c *clients.Client, ctx context.Context, address string) (poem []byte, err error) {
	r := &reactor.Reactor{Clock: c.Clock}
	delivered := 0
	c.GetPoetryAsync(ctx, r, address, func(p []byte, e error) {
		poem, err = p, e
		delivered++
	})
	if runErr := r.Run(); runErr != nil || delivered != 1 {
		return nil, fmt.Errorf("delivered %d times: %w", delivered, runErr)
	}
	return poem, err
}

// eachClient runs a test with both clients on both networks.
func eachClient(t *testing.T, test func(t *testing.T, n *testnet.Net, mode int)) {
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			testnet.Each(t, func(t *testing.T, n *testnet.Net) { test(t, n, i) })
		})
	}
}

func TestGetPoetry(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		address := poet(t, n, "a poem", slownet.Pace{Bytes: 2, Wait: 10 * ms})
		start := time.Now()
		poem, err := modes[mode].one(&clients.Client{Dial: n.Dial}, t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, "a poem", string(poem))
		n.AssertTook(t, 30*ms, time.Since(start))
	})
}

func TestGetPoetryWithTheZeroClient(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		if n.Simulated {
			return // it dials sockets
		}
		poem, err := clients.GetPoetry(t.Context(), poet(t, n, "a poem", slownet.Pace{}))
		require.NoError(t, err)
		assert.Equal(t, "a poem", string(poem))
	})
}

// One server's failure costs its own poem only, and says why.
func TestFailures(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		stalled := make(chan net.Conn, 1)
		addresses := []string{
			poet(t, n, "first", slownet.Pace{}),
			n.RefusedAddress(t),
			rude(t, n, reset),
			rude(t, n, func(conn net.Conn) {
				_, _ = io.WriteString(conn, "hm")
				stalled <- conn
			}),
			poet(t, n, strings.Repeat("long", 300), slownet.Pace{}),
			rude(t, n, func(conn net.Conn) { _ = conn.Close() }),
			poet(t, n, "last", slownet.Pace{Bytes: 1, Wait: 5 * ms}),
		}
		timeout := 100 * ms
		if !n.Simulated {
			timeout = 2 * time.Second // for a machine under load
		}
		client := &clients.Client{Dial: n.Dial, Timeout: timeout, MaxBytes: 1000}
		results := modes[mode].get(client, t.Context(), addresses)
		_ = (<-stalled).Close()

		require.Len(t, results, len(addresses))
		for i, result := range results {
			assert.Equal(t, addresses[i], result.Address)
		}
		for i, poem := range map[int]string{0: "first", 5: "", 6: "last"} {
			require.NoError(t, results[i].Err)
			assert.Equal(t, poem, string(results[i].Poem))
		}
		assert.ErrorIs(t, results[1].Err, syscall.ECONNREFUSED)
		assert.ErrorIs(t, results[2].Err, syscall.ECONNRESET)
		assert.Equal(t, "half", string(results[2].Poem), "what came is not lost")
		assert.ErrorIs(t, results[3].Err, os.ErrDeadlineExceeded)
		assert.Equal(t, &clients.StallError{Connected: true, Timeout: timeout}, results[3].Err)
		assert.Equal(t, "hm", string(results[3].Poem))
		n.AssertTook(t, timeout, results[3].Elapsed)
		assert.Equal(t, &clients.TooLongError{MaxBytes: 1000}, results[4].Err)
		n.AssertTook(t, 20*ms, results[6].Elapsed)
	})
}

// A server that sends a byte now and then is slow, not stalled.
func TestSlowIsNotStalled(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		address := poet(t, n, "slow", slownet.Pace{Bytes: 1, Wait: 400 * ms})
		client := &clients.Client{Dial: n.Dial, Timeout: time.Second}
		poem, err := modes[mode].one(client, t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, "slow", string(poem))
	})
}

// blackhole is a dial function that gets no answer.
func blackhole(ctx context.Context, network, address string) (net.Conn, error) {
	<-ctx.Done()
	return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
}

func TestConnectingStalls(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		client := &clients.Client{Dial: blackhole, Timeout: 50 * ms}
		start := time.Now()
		_, err := modes[mode].one(client, t.Context(), "nowhere:1")
		assert.Equal(t, &clients.StallError{Timeout: 50 * ms}, err)
		n.AssertTook(t, 50*ms, time.Since(start))
	})
}

func TestNoTimeout(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		if !n.Simulated {
			return // it takes two hours
		}
		address := poet(t, n, "at last", slownet.Pace{Bytes: 4, Wait: time.Hour})
		start := time.Now()
		poem, err := modes[mode].one(&clients.Client{Dial: n.Dial, Timeout: -1}, t.Context(), address)
		require.NoError(t, err)
		assert.Equal(t, "at last", string(poem))
		assert.Equal(t, 2*time.Hour, time.Since(start))

		_, err = modes[mode].one(&clients.Client{Dial: n.Dial}, t.Context(), address)
		assert.Equal(t, &clients.StallError{Connected: true, Timeout: time.Minute}, err, "the default")
	})
}

func TestContext(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		address := poet(t, n, "never to be heard", slownet.Pace{Bytes: 5, Wait: time.Hour})
		for what, addresses := range map[string][]string{"reading": {address, address}, "connecting": {"nowhere:1", "nowhere:2"}} {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
			defer cancel()
			client := &clients.Client{Dial: n.Dial}
			if what == "connecting" {
				client.Dial = blackhole
			}
			for _, result := range modes[mode].get(client, ctx, addresses) {
				assert.ErrorIs(t, result.Err, context.DeadlineExceeded, what)
			}
			n.AssertTook(t, 50*ms, time.Since(start))
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := modes[mode].one(&clients.Client{Dial: n.Dial}, canceled, address)
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestMaxBytes(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		address := poet(t, n, strings.Repeat("x", 1000), slownet.Pace{})
		for limit, want := range map[int64]error{1000: nil, -1: nil, 0: nil, 999: &clients.TooLongError{MaxBytes: 999}} {
			_, err := modes[mode].one(&clients.Client{Dial: n.Dial, MaxBytes: limit}, t.Context(), address)
			assert.Equal(t, want, err)
		}
	})
}

func TestLargePoem(t *testing.T) {
	poem := make([]byte, 10<<20)
	for i := range poem {
		poem[i] = byte(i * 2654435761 >> 13)
	}
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		got, err := modes[mode].one(&clients.Client{Dial: n.Dial}, t.Context(), poet(t, n, string(poem), slownet.Pace{}))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(poem, got), "it arrives unharmed")
	})
}

func TestManyAtOnce(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		address := poet(t, n, "poem", slownet.Pace{Bytes: 1, Wait: 20 * ms})
		start := time.Now()
		results := (&clients.Client{Dial: n.Dial}).GetAllAsync(t.Context(), repeat(address, 200))
		n.AssertTook(t, 80*ms, time.Since(start))
		for _, result := range results {
			require.NoError(t, result.Err)
			require.Equal(t, "poem", string(result.Poem))
		}
	})
}

func repeat(address string, n int) []string {
	addresses := make([]string, n)
	for i := range addresses {
		addresses[i] = address
	}
	return addresses
}

func TestNothingToGet(t *testing.T) {
	assert.Empty(t, new(clients.Client).GetAll(t.Context(), nil))
	assert.Empty(t, new(clients.Client).GetAllAsync(t.Context(), nil))
}

// Connections to one address are handed out in order, and none that came too
// late is left open.
func TestDialsThatComeLate(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("poet").Listen("tcp", ":1")
		require.NoError(t, err)
		serve(t, listener, &poetryserver.Server{Poem: []byte("poem"), Concurrent: true})
		calls := make(chan int, 3)
		for i := range 3 {
			calls <- i
		}
		client := &clients.Client{
			Timeout: 10 * time.Second,
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				switch i := <-calls; i {
				case 0: // in time
					time.Sleep(time.Second)
				case 1: // an error
					time.Sleep(2 * time.Second)
					return nil, errors.New("broken")
				case 2: // deaf to its context, and too late
					time.Sleep(20 * time.Second)
				}
				return sim.Host("reader").DialContext(context.WithoutCancel(ctx), network, address)
			},
		}
		start := time.Now()
		results := client.GetAllAsync(t.Context(), repeat("poet:1", 3))
		assert.Equal(t, 20*time.Second, time.Since(start), "it waits for what it has started")
		assert.NoError(t, results[0].Err)
		assert.Equal(t, time.Second, results[0].Elapsed)
		assert.EqualError(t, results[1].Err, "broken")
		assert.Equal(t, 2*time.Second, results[1].Elapsed)
		assert.Equal(t, &clients.StallError{Timeout: 10 * time.Second}, results[2].Err)
		assert.Equal(t, 10*time.Second, results[2].Elapsed)
	})
}

// The experiment: three slow servers, on hosts of their own or on one.
var experiment = []struct {
	poem  string
	bytes int
}{{"ecstasy", 30}, {"fascination", 10}, {"science", 10}}

// perform runs the experiment in a simulation and returns what the commands
// would print.
func perform(t *testing.T, link slownet.Link, get func(*clients.Client, []string) ([]clients.Result, time.Duration), observer func(*clients.Printer) func(clients.Event)) (output string, results []clients.Result, elapsed time.Duration) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		reader := sim.Host("reader")
		var addresses []string
		for i, config := range experiment {
			poem, ok := poetry.Poem(config.poem)
			require.True(t, ok)
			sim.SetLink("reader", config.poem, link)
			sim.SetLink(config.poem, "reader", link)
			listener, err := sim.Host(config.poem).Listen("tcp", fmt.Sprint(":", 10000+i))
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: poem, Pace: slownet.Pace{Bytes: config.bytes, Wait: 100 * ms}})
			addresses = append(addresses, fmt.Sprint(config.poem, ":", 10000+i))
		}
		var out strings.Builder
		printer := &clients.Printer{Out: &out, Err: &out}
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
	output, results, elapsed := perform(t, slownet.Link{}, timed((*clients.Client).GetAll),
		func(p *clients.Printer) func(clients.Event) { return p.Blocking })
	assert.Equal(t, 10100*ms, results[0].Elapsed) // 3003 bytes are 100 pieces of 30 and one of 3
	assert.Equal(t, 6300*ms, results[1].Elapsed)  // 623 are 62 of 10 and one of 3
	assert.Equal(t, 6600*ms, results[2].Elapsed)  // 653 are 65 of 10 and one of 3
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
		output, results, elapsed := perform(t, slownet.Link{}, timed((*clients.Client).GetAllAsync),
			func(p *clients.Printer) func(clients.Event) { return p.Async })
		require.Equal(t, 10100*ms, elapsed)
		require.Equal(t, 10100*ms, results[0].Elapsed)
		require.Equal(t, 6300*ms, results[1].Elapsed)
		require.Equal(t, 6600*ms, results[2].Elapsed)
		require.Equal(t, want.String(), output)
	}
}

// On a slow path it takes a round trip more to connect, and half of one for
// the last bytes to arrive.
func TestExperimentFarAway(t *testing.T) {
	link := slownet.Link{Latency: 150 * ms}
	_, results, elapsed := perform(t, link, timed((*clients.Client).GetAllAsync),
		func(p *clients.Printer) func(clients.Event) { return p.Async })
	// Connecting takes 2 x 150 ms, and the server has the connection 150 ms
	// after that; the end of the poem is under way for 150 ms.
	assert.Equal(t, 4*150*ms+6300*ms, results[1].Elapsed)
	assert.Equal(t, 4*150*ms+10100*ms, elapsed)
}

// Tasks at one address are served in the order in which they were given, in
// every run.
func TestSameAddressInOrder(t *testing.T) {
	run := func() (output string) {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("poet").Listen("tcp", ":1")
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: []byte("po"), Pace: slownet.Pace{Bytes: 1, Wait: time.Second}, Concurrent: true})
			var out strings.Builder
			client := &clients.Client{Dial: sim.Host("reader").DialContext, Observer: (&clients.Printer{Out: &out, Err: &out}).Async}
			client.GetAllAsync(t.Context(), repeat("poet:1", 9))
			output = out.String()
		})
		return output
	}
	first := run()
	assert.True(t, strings.HasPrefix(first, "Task 1: got 1 bytes of poetry from poet:1\nTask 2: got"), first)
	for range 50 {
		require.Equal(t, first, run())
	}
}

// The same holds where each poem is asked for by itself.
func TestSameAddressAsyncInOrder(t *testing.T) {
	for range 50 {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("poet").Listen("tcp", ":1")
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: []byte("po"), Pace: slownet.Pace{Bytes: 1, Wait: time.Second}})
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

// Dials that fail at once are reported in order as well.
func TestFailuresInOrder(t *testing.T) {
	addresses := []string{"nobody:1", "10.9.9.9:1", "poet:2", "none:1", "poet:", "10.9.9.8:1"}
	var first []int
	for range 100 {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.Host("poet")
			var failed []int
			client := &clients.Client{Dial: sim.Host("reader").DialContext, Observer: func(e clients.Event) {
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

// What is open when the simulation ends is closed in order.
func TestEndInOrder(t *testing.T) {
	for range 50 {
		var failed []int
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var addresses []string
			for i := range 5 {
				name := fmt.Sprint("poet", i)
				listener, err := sim.Host(name).Listen("tcp", ":1")
				require.NoError(t, err)
				go func() { // accepts, and says nothing
					for {
						if _, err := listener.Accept(); err != nil {
							return
						}
					}
				}()
				addresses = append(addresses, name+":1")
			}
			client := &clients.Client{Dial: sim.Host("reader").DialContext, Observer: func(e clients.Event) {
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

// The asynchronous client's time is the reactor's.
func TestReactorsClock(t *testing.T) {
	mock := clock.NewMock()
	r := &reactor.Reactor{Clock: mock}
	client := &clients.Client{Dial: blackhole, Timeout: time.Hour}
	var failed error
	client.GetPoetryAsync(t.Context(), r, "nowhere:1", func(_ []byte, err error) { failed = err })
	ran := make(chan error, 1)
	go func() { ran <- r.Run() }()
	for running := true; running; {
		mock.Add(time.Hour)
		select {
		case err := <-ran:
			require.NoError(t, err)
			running = false
		default:
		}
	}
	assert.Equal(t, &clients.StallError{Timeout: time.Hour}, failed)
}

// Connecting and reading have each their own time.
func TestConnectingStartsTheTimeAnew(t *testing.T) {
	for i := range modes {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("poet").Listen("tcp", ":1")
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: []byte("poem")})
			client := &clients.Client{Timeout: 10 * time.Second, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				time.Sleep(8 * time.Second)
				sim.SetLink("poet", "reader", slownet.Link{Latency: 4 * time.Second})
				return sim.Host("reader").DialContext(ctx, network, address)
			}}
			poem, err := modes[i].one(client, t.Context(), "poet:1")
			assert.Equal(t, &clients.StallError{Timeout: 10 * time.Second}, err, "12 s to connect are too long")
			assert.Empty(t, poem)
			client.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				time.Sleep(4 * time.Second)
				return sim.Host("reader").DialContext(ctx, network, address)
			}
			sim.SetLink("reader", "poet", slownet.Link{Latency: 4 * time.Second})
			start := time.Now()
			client.Timeout = 13 * time.Second
			poem, err = modes[i].one(client, t.Context(), "poet:1")
			require.NoError(t, err)
			assert.Equal(t, "poem", string(poem))
			assert.Equal(t, 20*time.Second, time.Since(start), "12 s to connect, 8 s to the first byte")
		})
	}
}

// Servers that stall at the same instant are reported in order.
func TestStallsInOrder(t *testing.T) {
	for range 50 {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			var failed []int
			client := &clients.Client{Dial: blackhole, Observer: func(e clients.Event) {
				if e.Kind == clients.Failed {
					failed = append(failed, e.Task)
				}
			}}
			client.GetAllAsync(t.Context(), []string{"a:1", "b:1", "a:1", "c:1", "b:1"})
			require.Equal(t, []int{1, 2, 3, 4, 5}, failed)
		})
	}
}
