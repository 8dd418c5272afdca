package poetryserver_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// A fixture is a running server with the events that it has reported.
type fixture struct {
	*poetryserver.Server
	address string
	served  chan error

	mu     sync.Mutex
	events []poetryserver.ClientEvent
}

// serve makes the server serve until the test ends.
func serve(t *testing.T, n *testnet.Net, server *poetryserver.Server) *fixture {
	t.Helper()
	f := &fixture{Server: server, served: make(chan error, 1)}
	server.Observer = func(e poetryserver.ClientEvent) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.events = append(f.events, e)
	}
	listener, address := n.Listen(t)
	f.address = address
	go func() { f.served <- server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return f
}

// told returns the kinds of the events so far.
func (f *fixture) told() (kinds []poetryserver.ClientEventKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// await waits for an event of the kind, and returns it.
func (f *fixture) await(t *testing.T, kind poetryserver.ClientEventKind) poetryserver.ClientEvent {
	t.Helper()
	for range 10000 {
		f.mu.Lock()
		for _, e := range f.events {
			if e.Kind == kind {
				f.mu.Unlock()
				return e
			}
		}
		f.mu.Unlock()
		time.Sleep(ms)
	}
	t.Fatal("it was never reported")
	return poetryserver.ClientEvent{}
}

func TestPace(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{
			Poem: []byte("twenty-five bytes, a poem"),
			Pace: netem.Pace{Bytes: 10, Wait: 20 * ms},
		})
		start := time.Now()
		conn := n.MustDial(t, f.address)
		var poem []byte
		buffer := make([]byte, 100)
		for _, arrival := range []struct {
			piece string
			at    time.Duration
		}{{"twenty-fiv", 0}, {"e bytes, a", 20 * ms}, {" poem", 40 * ms}} {
			read, err := io.ReadFull(conn, buffer[:len(arrival.piece)])
			require.NoError(t, err)
			n.AssertTook(t, arrival.at, time.Since(start))
			poem = append(poem, buffer[:read]...)
		}
		_, err := conn.Read(buffer)
		assert.Equal(t, io.EOF, err)
		n.AssertTook(t, 60*ms, time.Since(start)) // the wait follows the last piece too
		assert.Equal(t, "twenty-five bytes, a poem", string(poem))
		require.NoError(t, conn.Close())

		done := f.await(t, poetryserver.Done)
		assert.Equal(t, 25, done.Bytes)
		assert.Equal(t, conn.LocalAddr().String(), done.Client.String())
		assert.Equal(t, []poetryserver.ClientEventKind{poetryserver.Connected, poetryserver.Sent, poetryserver.Sent, poetryserver.Sent, poetryserver.Done}, f.told())
	})
}

// get reads a poem and returns it with the time it took.
func get(t *testing.T, n *testnet.Net, address string) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	conn, err := n.Dial(t.Context(), "tcp", address)
	if !assert.NoError(t, err) {
		return "", 0
	}
	defer conn.Close()
	poem, err := io.ReadAll(conn)
	assert.NoError(t, err)
	return string(poem), time.Since(start)
}

// getAtOnce makes several clients get the poem at the same time, and returns the time that
// each took, in no particular order.
func getAtOnce(t *testing.T, n *testnet.Net, address, want string, clients int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, clients)
	var wait sync.WaitGroup
	for i := range clients {
		wait.Go(func() {
			var poem string
			poem, took[i] = get(t, n, address)
			assert.Equal(t, want, poem)
		})
	}
	wait.Wait()
	return took
}

func TestOneClientAtATime(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: 5 * ms}})
		took := getAtOnce(t, n, f.address, "poem", 3)
		var longest, total time.Duration
		for _, d := range took {
			longest, total = max(longest, d), total+d
		}
		n.AssertTook(t, 60*ms, longest)
		if n.Simulated {
			assert.Equal(t, (20+40+60)*ms, total)
		}
	})
}

func TestConcurrent(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: 5 * ms}, Concurrent: true})
		for _, took := range getAtOnce(t, n, f.address, "poem", 200) {
			n.AssertTook(t, 20*ms, took)
		}
	})
}

func TestLargePoemWithoutPace(t *testing.T) {
	poem := make([]byte, 10<<20)
	for i := range poem {
		poem[i] = byte(uint32(i) * 2654435761 >> 13)
	}
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: poem})
		got, took := get(t, n, f.address)
		assert.True(t, bytes.Equal(poem, []byte(got)), "it arrives unchanged")
		n.AssertTook(t, 0, took)
	})
}

func TestClientVanishesInMidPoem(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: bytes.Repeat([]byte("poem"), 250), Pace: netem.Pace{Bytes: 1, Wait: 5 * ms}})
		conn := n.MustDial(t, f.address)
		_, err := io.ReadFull(conn, make([]byte, 3))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		gone := f.await(t, poetryserver.Gone)
		assert.Less(t, gone.Bytes, 1000)
		assert.Error(t, gone.Err)

		next := n.MustDial(t, f.address) // the server is not affected
		_, err = io.ReadFull(next, make([]byte, 3))
		require.NoError(t, err)
	})
}

func TestClientStopsReading(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: make([]byte, 64<<20), Timeout: 200 * ms})
		conn := n.MustDial(t, f.address)
		gone := f.await(t, poetryserver.Gone)
		assert.Less(t, gone.Bytes, 64<<20)
		assert.EqualError(t, gone.Err, "accepted no byte for 200ms")
		_, err := io.Copy(io.Discard, conn)
		assert.Error(t, err, "a part of the poem must not look like the whole")
	})
}

// The waits of the pace do not count for the timeout: a client of a very slow server is
// not idle.
func TestTimeoutDoesNotCountTheWaits(t *testing.T) {
	t.Parallel()
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: 500 * ms}, Timeout: 400 * ms})
		poem, took := get(t, n, f.address)
		assert.Equal(t, "poem", poem)
		n.AssertTook(t, 2*time.Second, took)
	})
}

// A client that sends something still receives the whole poem.
func TestClientThatSends(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: ms}})
		conn := n.MustDial(t, f.address)
		_, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		require.NoError(t, err)
		time.Sleep(10 * ms) // everything has been sent before anything is read
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "poem", string(poem))
	})
}

// A client that ends its own stream first, as nc </dev/null does, is not gone.
func TestClientThatHalfCloses(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 1, Wait: ms}})
		conn := n.MustDial(t, f.address)
		require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "poem", string(poem))
	})
}

// A client that stays connected after the poem does not make others wait. It counts as
// done, even if the server is closed while the client is connected.
func TestClientThatStays(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: []byte("poem")})
		stays := n.MustDial(t, f.address)
		_, err := io.ReadAll(stays)
		require.NoError(t, err)
		_, took := get(t, n, f.address)
		n.AssertTook(t, 0, took)
		require.NoError(t, f.Close())
		assert.Equal(t, poetryserver.ErrServerClosed, <-f.served)
		assert.Equal(t, []poetryserver.ClientEventKind{poetryserver.Connected, poetryserver.Sent, poetryserver.Done, poetryserver.Connected, poetryserver.Sent, poetryserver.Done}, f.told())
	})
}

// A client that never closes is disconnected after the timeout, or soon when
// the server is shut down.
func TestClientThatStaysForEver(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		for _, shutdown := range []bool{false, true} {
			listener, err := sim.Host("server").Listen("tcp", ":1")
			require.NoError(t, err)
			server := &poetryserver.Server{Poem: []byte("poem")}
			served := make(chan error, 1)
			go func() { served <- server.Serve(listener) }()
			conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
			require.NoError(t, err)
			_, err = io.ReadAll(conn)
			require.NoError(t, err)
			start, want := time.Now(), time.Minute
			if shutdown {
				want = time.Second
				require.NoError(t, server.Shutdown(t.Context()))
				assert.Equal(t, want, time.Since(start))
			}
			time.Sleep(want - time.Since(start))
			_, err = conn.Write([]byte("still there?"))
			require.NoError(t, err)
			time.Sleep(time.Nanosecond)
			_, err = conn.Write([]byte("?"))
			assert.ErrorIs(t, err, syscall.EPIPE)
			require.NoError(t, server.Close())
			assert.Equal(t, poetryserver.ErrServerClosed, <-served)
		}
	})
}

// A client that reads slowly, but reads, is not disconnected, however large the
// pieces are; nor does it lose the end of the poem by sending.
func TestSteadySlowReader(t *testing.T) {
	t.Parallel()
	poem := make([]byte, 16<<20) // more than both buffers hold
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		f := serve(t, n, &poetryserver.Server{Poem: poem, Pace: netem.Pace{Bytes: len(poem)}, Timeout: time.Second})
		conn := n.MustDial(t, f.address)
		got, buffer := 0, make([]byte, 128<<10)
		for {
			read, err := io.ReadFull(conn, buffer)
			got += read
			if err != nil {
				assert.Equal(t, io.EOF, err)
				break
			}
			_, err = conn.Write([]byte("hm "))
			require.NoError(t, err)
			time.Sleep(10 * ms)
		}
		assert.Equal(t, len(poem), got)
	})
}

// A client that reads all the time is not disconnected, however slow the path.
func TestSlowPath(t *testing.T) {
	ideal := simtest.Config{TCP: netem.TCP{Congestion: netem.Unlimited}} // the connection accepts more bytes as soon as a packet has left
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("server", "client", netem.Link{Rate: 8 * netem.Kbps})
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		var gone error
		server := &poetryserver.Server{Poem: make([]byte, 3<<20), Observer: func(e poetryserver.ClientEvent) {
			if e.Kind == poetryserver.Gone {
				gone = e.Err
			}
		}}
		go func() { _ = server.Serve(listener) }()
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		require.NoError(t, err)
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.NoError(t, gone)
		assert.Len(t, poem, 3<<20)
		assert.Equal(t, 3145728*time.Millisecond, sim.Elapsed(), "a byte a millisecond")
	})
}

func (temporaryError) Temporary() bool { return true }

// On a mock clock, over a real socket, the server proceeds when the clock is advanced.
func TestMockClock(t *testing.T) {
	mock := clock.NewMock()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 2, Wait: time.Hour}, Clock: mock}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()

	buffer := make([]byte, 10)
	read, err := conn.Read(buffer)
	require.NoError(t, err)
	assert.Equal(t, "po", string(buffer[:read]))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*ms)))
	_, err = conn.Read(buffer)
	require.Error(t, err, "not before the clock is advanced")
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	mock.Add(time.Hour)
	read, err = conn.Read(buffer)
	require.NoError(t, err)
	assert.Equal(t, "em", string(buffer[:read]))
	require.NoError(t, server.Close())
	assert.Equal(t, poetryserver.ErrServerClosed, <-served)
}

func TestEventLines(t *testing.T) {
	client := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}
	for want, e := range map[string]poetryserver.ClientEvent{
		"127.0.0.1:4711 cannot accept clients for the moment: EOF": {Kind: poetryserver.NotAccepted, Client: client, Err: io.EOF},
		"127.0.0.1:4711 connected":                                 {Kind: poetryserver.Connected, Client: client},
		"127.0.0.1:4711 sent 30 bytes":                             {Kind: poetryserver.Sent, Client: client, Bytes: 30},
		"127.0.0.1:4711 done: all 3003 bytes sent":                 {Kind: poetryserver.Done, Client: client, Bytes: 3003},
		"127.0.0.1:4711 sent 1 byte":                               {Kind: poetryserver.Sent, Client: client, Bytes: 1},
		"127.0.0.1:4711 done: 1 byte sent":                         {Kind: poetryserver.Done, Client: client, Bytes: 1},
		"127.0.0.1:4711 gone after 1 byte: EOF":                    {Kind: poetryserver.Gone, Client: client, Bytes: 1, Err: io.EOF},
		"127.0.0.1:4711 gone after 7 bytes: EOF":                   {Kind: poetryserver.Gone, Client: client, Bytes: 7, Err: io.EOF},
	} {
		assert.Equal(t, want, e.String())
	}
}

// Events contain the time since their client connected.
func TestEventsHaveTheElapsedTime(t *testing.T) {
	config := simtest.Config{Link: netem.Link{Latency: 50 * ms}}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		elapsed := map[poetryserver.ClientEventKind][]time.Duration{}
		server := &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 2, Wait: 10 * ms}}
		server.Observer = func(e poetryserver.ClientEvent) { elapsed[e.Kind] = append(elapsed[e.Kind], e.Elapsed) }
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		for range 2 {
			conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, conn)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		}
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		require.NoError(t, err)
		time.Sleep(55 * ms)
		require.NoError(t, server.Close())
		assert.Equal(t, poetryserver.ErrServerClosed, <-served)
		require.NoError(t, conn.Close())
		assert.Equal(t, map[poetryserver.ClientEventKind][]time.Duration{
			poetryserver.Connected: {0, 0, 0},
			poetryserver.Sent:      {0, 10 * ms, 0, 10 * ms, 0},
			poetryserver.Done:      {20 * ms, 20 * ms},
			poetryserver.Gone:      {5 * ms},
		}, elapsed)
	})
}
