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
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// serve makes a server serve until the test ends.
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

// poet serves a poem at a pace and returns the server's address.
func poet(t *testing.T, n *testnet.Net, poem string, pace netem.Pace) string {
	t.Helper()
	listener, address := n.Listen(t)
	serve(t, listener, &poetryserver.Server{Poem: []byte(poem), Pace: pace, Concurrent: true})
	return address
}

// rude starts a server that misbehaves: it calls a function with each connection, one at a
// time. It returns the server's address.
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

// A halfPoem is a server that resets a connection after half a poem. It first waits until
// the client has received the half: on real sockets a reset destroys unread data, and on a
// busy machine it can even make the client's connect fail.
type halfPoem struct {
	arrived chan struct{} // closed when the client has the half
	once    sync.Once
}

func newHalfPoem() *halfPoem { return &halfPoem{arrived: make(chan struct{})} }

func (h *halfPoem) treat(conn net.Conn) {
	_, _ = io.WriteString(conn, "half")
	<-h.arrived
	_ = conn.(interface{ SetLinger(int) error }).SetLinger(0)
	_ = conn.Close()
}

// observe is the observer for the task that gets the poem.
func (h *halfPoem) observe(e clients.TaskEvent) {
	if e.Kind == clients.Piece || e.Kind == clients.Failed {
		h.once.Do(func() { close(h.arrived) })
	}
}

// modes are the two ways to get poems.
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
		address := poet(t, n, "a poem", netem.Pace{Bytes: 2, Wait: 10 * ms})
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
		poem, err := clients.GetPoetry(t.Context(), poet(t, n, "a poem", netem.Pace{}))
		require.NoError(t, err)
		assert.Equal(t, "a poem", string(poem))
	})
}

// The failure of one server costs only its own poem, and the error gives the reason.
func TestFailures(t *testing.T) {
	t.Parallel()
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		stalled, half := make(chan net.Conn, 1), newHalfPoem()
		addresses := []string{
			poet(t, n, "first", netem.Pace{}),
			n.RefusedAddress(t),
			rude(t, n, half.treat),
			rude(t, n, func(conn net.Conn) {
				_, _ = io.WriteString(conn, "hm")
				stalled <- conn
			}),
			poet(t, n, strings.Repeat("long", 300), netem.Pace{}),
			rude(t, n, func(conn net.Conn) { _ = conn.Close() }),
			poet(t, n, "last", netem.Pace{Bytes: 1, Wait: 5 * ms}),
		}
		timeout := 100 * ms
		if !n.Simulated {
			timeout = 2 * time.Second // for a machine under load
		}
		client := &clients.Client{Dial: n.Dial, Timeout: timeout, MaxBytes: 1000, Observer: func(e clients.TaskEvent) {
			if e.Task == 3 {
				half.observe(e)
			}
		}}
		results := modes[mode].get(client, t.Context(), addresses)
		_ = (<-stalled).Close()

		require.Len(t, results, len(addresses))
		for i, result := range results {
			assert.Equal(t, addresses[i], result.Address)
		}
		for i, poem := range map[int]string{0: "first", 6: "last"} {
			require.NoError(t, results[i].Err)
			assert.Equal(t, poem, string(results[i].Poem))
		}
		assert.ErrorIs(t, results[1].Err, syscall.ECONNREFUSED)
		assert.ErrorIs(t, results[2].Err, syscall.ECONNRESET)
		assert.Equal(t, "half", string(results[2].Poem), "the part that arrived is not lost")
		assert.ErrorIs(t, results[3].Err, os.ErrDeadlineExceeded)
		assert.Equal(t, &clients.StallError{Connected: true, Timeout: timeout}, results[3].Err)
		assert.Equal(t, "hm", string(results[3].Poem))
		n.AssertTook(t, timeout, results[3].Elapsed)
		assert.Equal(t, &clients.TooLongError{MaxBytes: 1000}, results[4].Err)
		assert.Equal(t, clients.ErrNoPoem, results[5].Err, "accepted, and closed")
		n.AssertTook(t, 20*ms, results[6].Elapsed)
	})
}

// A server that sends a byte now and then is slow, not stalled.
func TestSlowIsNotStalled(t *testing.T) {
	t.Parallel()
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		address := poet(t, n, "slow", netem.Pace{Bytes: 1, Wait: 400 * ms})
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
		address := poet(t, n, "at last", netem.Pace{Bytes: 4, Wait: time.Hour})
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
		address := poet(t, n, "never to be heard", netem.Pace{Bytes: 5, Wait: time.Hour})
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
		address := poet(t, n, strings.Repeat("x", 1000), netem.Pace{})
		for limit, want := range map[int64]error{1000: nil, -1: nil, 0: nil, 999: &clients.TooLongError{MaxBytes: 999}} {
			_, err := modes[mode].one(&clients.Client{Dial: n.Dial, MaxBytes: limit}, t.Context(), address)
			assert.Equal(t, want, err)
		}
	})
}

func TestLargePoem(t *testing.T) {
	poem := make([]byte, 10<<20)
	for i := range poem {
		poem[i] = byte(uint32(i) * 2654435761 >> 13)
	}
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		got, err := modes[mode].one(&clients.Client{Dial: n.Dial}, t.Context(), poet(t, n, string(poem), netem.Pace{}))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(poem, got), "it arrives unchanged")
	})
}

func TestManyAtOnce(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		address := poet(t, n, "poem", netem.Pace{Bytes: 1, Wait: 20 * ms})
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

// Connections to one address are given to its tasks in order, and a connection that is made
// too late is closed.
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
				case 2: // ignores its context, and is too late
					time.Sleep(20 * time.Second)
				}
				return sim.Host("reader").DialContext(context.WithoutCancel(ctx), network, address)
			},
		}
		start := time.Now()
		results := client.GetAllAsync(t.Context(), repeat("poet:1", 3))
		assert.Equal(t, 20*time.Second, time.Since(start), "the client waits for all of its dials")
		assert.NoError(t, results[0].Err)
		assert.Equal(t, time.Second, results[0].Elapsed)
		assert.EqualError(t, results[1].Err, "broken")
		assert.Equal(t, 2*time.Second, results[1].Elapsed)
		assert.Equal(t, &clients.StallError{Timeout: 10 * time.Second}, results[2].Err)
		assert.Equal(t, 10*time.Second, results[2].Elapsed)
	})
}

// The asynchronous client uses the reactor's clock.
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

// Connecting and reading each have a timeout of their own.
func TestConnectingRestartsTheTimeout(t *testing.T) {
	for i := range modes {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("poet").Listen("tcp", ":1")
			require.NoError(t, err)
			serve(t, listener, &poetryserver.Server{Poem: []byte("poem")})
			client := &clients.Client{Timeout: 10 * time.Second, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				time.Sleep(8 * time.Second)
				sim.SetLink("poet", "reader", netem.Link{Latency: 4 * time.Second})
				return sim.Host("reader").DialContext(ctx, network, address)
			}}
			poem, err := modes[i].one(client, t.Context(), "poet:1")
			assert.Equal(t, &clients.StallError{Timeout: 10 * time.Second}, err, "12 s for connecting is too long")
			assert.Empty(t, poem)
			client.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				time.Sleep(4 * time.Second)
				return sim.Host("reader").DialContext(ctx, network, address)
			}
			sim.SetLink("reader", "poet", netem.Link{Latency: 4 * time.Second})
			start := time.Now()
			client.Timeout = 13 * time.Second
			poem, err = modes[i].one(client, t.Context(), "poet:1")
			require.NoError(t, err)
			assert.Equal(t, "poem", string(poem))
			// The server's window is one packet, as it has sent its SYN more than
			// once, so the end of the stream waits until the poem is acknowledged.
			assert.Equal(t, 28*time.Second, time.Since(start), "12 s for connecting, 8 s to the first byte, 8 s to the end")
		})
	}
}
