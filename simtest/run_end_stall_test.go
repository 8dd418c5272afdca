package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A lockingServer holds its lock while it stops, as Thrift's TSimpleServer does:
// its Accept loop waits for the lock, and the goroutine that stops it waits for
// its clients.
type lockingServer struct {
	listener net.Listener
	clients  sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	stopped bool
}

func (s *lockingServer) serve() {
	for {
		conn, err := s.listener.Accept()
		s.mu.Lock()
		if s.stopped || err != nil {
			s.mu.Unlock()
			return
		}
		s.clients.Go(func() {
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		})
		s.mu.Unlock()
	}
}

func (s *lockingServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	_ = s.listener.Close()
	s.clients.Wait()
}

// A server that holds a lock while it waits for its clients stops, whether its
// host crashes or the simulation ends.
func TestAServerThatStopsUnderItsLock(t *testing.T) {
	const end = 5 * time.Second
	atEnd := func(ctx context.Context, _ net.Listener, _ net.Conn) error { <-ctx.Done(); return nil }
	later := func(ctx context.Context, _ net.Listener, conn net.Conn) error {
		<-ctx.Done()
		time.Sleep(time.Second)
		_, err := io.WriteString(conn, "the network is up")
		return err
	}
	notTold := func(_ context.Context, own net.Listener, _ net.Conn) error {
		_, err := own.Accept() // it ends before the server's
		assert.ErrorIs(t, err, net.ErrClosed)
		return nil
	}
	for name, tc := range map[string]struct {
		until func(ctx context.Context, own net.Listener, conn net.Conn) error // when the server stops
		crash bool
		ends  time.Duration
	}{
		"at the end":              {until: atEnd, ends: end},
		"later in the grace":      {until: later, ends: end + time.Second},
		"when the network closes": {until: notTold, ends: end + 10*time.Second},
		"at a crash":              {until: atEnd, crash: true, ends: end},
		"at a crash, not told":    {until: notTold, crash: true, ends: end},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3) {
				var sim *simtest.Sim
				stopped := time.Duration(-1)
				simtest.Config{Seed: seed, KeepPools: true, Link: netem.Link{Latency: 50 * ms}}.Run(t, func(t *testing.T, s *simtest.Sim) {
					sim = s
					poet, reader := sim.Host("poet"), sim.Host("reader")
					poet.Run(func(ctx context.Context) error {
						own, err := poet.Listen("tcp", ":1")
						if err != nil {
							return err
						}
						listener, err := poet.Listen("tcp", ":2")
						if err != nil {
							return err
						}
						server := &lockingServer{listener: listener}
						conn, err := own.Accept()
						if err != nil {
							return err
						}
						served := make(chan struct{})
						go func() { server.serve(); close(served) }()
						assert.NoError(t, tc.until(ctx, own, conn))
						server.stop()
						stopped = sim.Elapsed()
						<-served
						return nil
					})
					for _, address := range []string{"poet:1", "poet:2", "poet:2", "poet:2"} {
						_, err := reader.Dial("tcp", address)
						require.NoError(t, err)
					}
					time.Sleep(end - sim.Elapsed())
					if tc.crash {
						poet.Crash()
						time.Sleep(time.Second)
					}
				})
				assert.Equal(t, tc.ends, stopped)
			}
		})
	}
}

// A program that closes a connection or listener while it holds a lock, and waits for the
// goroutine that uses it, continues when its host crashes, although goroutines that wait
// for the lock were woken before.
func TestCloseOnACrashedHostWakesWhoWaits(t *testing.T) {
	past := time.Unix(1, 0)
	type opened struct {
		wait  func() error // until it is closed
		close func() error
	}
	for name, open := range map[string]func(t *testing.T, host *simtest.Host, conn net.Conn) opened{
		"a reader": func(_ *testing.T, _ *simtest.Host, conn net.Conn) opened {
			return opened{func() error { _, err := conn.Read(make([]byte, 1)); return err }, conn.Close}
		},
		"a writer": func(_ *testing.T, _ *simtest.Host, conn net.Conn) opened {
			return opened{func() error { _, err := conn.Write(make([]byte, 8<<20)); return err }, conn.Close}
		},
		"a reader with a deadline in the past": func(_ *testing.T, _ *simtest.Host, conn net.Conn) opened {
			return opened{func() error { _, err := conn.Read(make([]byte, 1)); return err }, func() error { return conn.SetReadDeadline(past) }}
		},
		"one that accepts": func(t *testing.T, host *simtest.Host, _ net.Conn) opened {
			listener, err := host.Listen("tcp", ":9")
			require.NoError(t, err)
			return opened{func() error { _, err := listener.Accept(); return err }, listener.Close}
		},
		"one that reads datagrams": func(t *testing.T, host *simtest.Host, _ net.Conn) opened {
			socket, err := host.ListenPacket("udp", ":9")
			require.NoError(t, err)
			return opened{func() error { _, _, err := socket.ReadFrom(make([]byte, 1)); return err }, socket.Close}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			var mu sync.Mutex
			var order []string
			note := func(format string, args ...any) { order = append(order, fmt.Sprintf(format, args...)) }
			simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				poet, reader := sim.Host("poet"), sim.Host("reader")
				listener, err := poet.Listen("tcp", ":1")
				require.NoError(t, err)
				_, err = reader.Dial("tcp", "poet:1")
				require.NoError(t, err)
				conn, err := listener.Accept()
				require.NoError(t, err)
				one := open(t, poet, conn)
				waited := make(chan error, 1)
				go func() { waited <- one.wait() }()
				go func() { // which is woken before
					_, err := listener.Accept()
					mu.Lock()
					defer mu.Unlock()
					note("first: %v", describe(err))
				}()
				poet.Run(func(ctx context.Context) error {
					<-ctx.Done()
					mu.Lock()
					defer mu.Unlock()
					assert.ErrorIs(t, one.close(), net.ErrClosed)
					assert.ErrorIs(t, <-waited, net.ErrClosed)
					note("closed")
					return nil
				})
				time.Sleep(time.Second)
				poet.Crash()
				sim.Settle()
				assert.Equal(t, time.Second, sim.Elapsed())
			})
			slices.Sort(order)
			assert.Equal(t, []string{"closed", "first: accept: closed"}, order)
			assert.Less(t, time.Since(start), 2*time.Second)
		})
	}
}
