package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repeats checks that a simulation has the same results in every run, on 1, 2 and 4
// processors.
func repeats(t *testing.T, runs int, f func(t *testing.T, sim *simtest.Sim, note func(format string, args ...any))) {
	t.Helper()
	repeatsIn(t, simtest.Config{}, runs, f)
}

// repeatsIn is repeats with a Config.
func repeatsIn(t *testing.T, config simtest.Config, runs int, f func(t *testing.T, sim *simtest.Sim, note func(format string, args ...any))) {
	t.Helper()
	config.KeepPools = true
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first []string
	for run := range runs {
		runtime.GOMAXPROCS([]int{1, 2, 4}[run%3])
		var mu sync.Mutex
		var seen []string
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			f(t, sim, func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, fmt.Sprintf("%v ", sim.Elapsed())+fmt.Sprintf(format, args...))
			})
		})
		if run == 0 {
			first = seen
			require.NotEmpty(t, first)
		}
		require.Equal(t, first, seen, "run %d", run)
	}
}

// Many hosts that do the same at the same instants are served in a fixed order.
func TestOrderInLockStep(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				note("accepted %v", conn.RemoteAddr())
				go func() {
					buffer := make([]byte, 100)
					for {
						n, err := conn.Read(buffer)
						if err != nil {
							note("%v %v", conn.RemoteAddr(), err)
							return
						}
						note("%v %s", conn.RemoteAddr(), buffer[:n])
						_, _ = conn.Write(buffer[:n])
					}
				}()
			}
		}()
		var clients sync.WaitGroup
		for i := range 20 {
			host := sim.Host(fmt.Sprint("client", i))
			clients.Go(func() {
				for range 3 {
					conn, err := host.DialContext(t.Context(), "tcp", "server:1")
					if !assert.NoError(t, err) {
						return
					}
					for range 3 {
						time.Sleep(time.Second)
						_, _ = io.WriteString(conn, "tick")
						_, _ = conn.Read(make([]byte, 10))
						note("%v answered", conn.LocalAddr())
					}
					_ = conn.Close()
				}
			})
		}
		clients.Wait()
		time.Sleep(time.Second)
	})
}

// Bytes that both ends of a connection send at one instant arrive in a fixed order.
func TestOrderOfBothEnds(t *testing.T) {
	repeats(t, 60, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		client, server := connected(t, sim)
		var ends sync.WaitGroup
		for name, conn := range map[string]net.Conn{"client": client, "server": server} {
			ends.Go(func() {
				time.Sleep(time.Second)
				_, _ = conn.Write([]byte("x"))
			})
			ends.Go(func() {
				_, _ = conn.Read(make([]byte, 1))
				note("%s heard", name)
			})
		}
		ends.Wait()
	})
}

// A writer waits for the window and a reader makes room at the same instant.
func TestOrderAtAFullWindow(t *testing.T) {
	repeatsIn(t, ideal, 90, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		client, server := connected(t, sim)
		var ends sync.WaitGroup
		ends.Go(func() {
			_, err := server.Write(make([]byte, 1<<20))
			assert.NoError(t, err)
			time.Sleep(time.Second)
			_, err = server.Write(make([]byte, 1000)) // the window is full
			assert.NoError(t, err)
			note("wrote")
		})
		ends.Go(func() {
			_, err := server.Read(make([]byte, 1))
			assert.NoError(t, err)
			note("read")
		})
		ends.Go(func() {
			time.Sleep(time.Second)
			_, err := io.ReadFull(client, make([]byte, 1000))
			assert.NoError(t, err)
			_, err = client.Write([]byte("x"))
			assert.NoError(t, err)
		})
		ends.Wait()
	})
}

// At the instant of a deadline nothing is read or written.
func TestOrderAtADeadline(t *testing.T) {
	repeats(t, 60, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		conn, peer := connected(t, sim)
		_, err := peer.Write([]byte("there"))
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(100*ms)))
		time.Sleep(100 * ms)
		_, err = conn.Read(make([]byte, 10))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = conn.Write([]byte("x"))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*ms)))
		n, err := conn.Read(make([]byte, 10))
		note("%d %v", n, err)
	})
}

// A deadline that was moved has no effect.
func TestDeadlinePutOffAtItsInstant(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		conn, err := sim.Host("a").DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		go func() {
			time.Sleep(time.Second - 1)
			_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
		}()
		_, err = conn.Read(make([]byte, 1))
		note("%v", err)
		assert.Equal(t, time.Hour+time.Second-1, sim.Elapsed())
	})
}

// The window limits the bytes per round trip, and the bytes in flight.
func TestWindowIsARoundTrip(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: 100 * ms})
		sim.SetLink("b", "a", netem.Link{Latency: 150 * ms})
		conn, peer := connected(t, sim)
		start := time.Now()
		go func() {
			_, err := conn.Write(make([]byte, 4<<20))
			assert.NoError(t, err)
			assert.Equal(t, 3*250*ms, time.Since(start), "the last of four windows is sent after three round trips")
			_ = conn.Close()
		}()
		n, err := io.Copy(io.Discard, peer)
		assert.NoError(t, err)
		assert.EqualValues(t, 4<<20, n)
		assert.Equal(t, 3*250*ms+100*ms, time.Since(start))
	})
}

// A reset arrives after everything sent before it.
func TestResetComesAfterTheData(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("b", "a", netem.Link{Rate: 8 * netem.Kbps})
		conn, peer := connected(t, sim)
		_, err := peer.Write(make([]byte, 3000))
		require.NoError(t, err)
		require.NoError(t, peer.(half).SetLinger(0))
		require.NoError(t, peer.Close())
		n, err := io.Copy(io.Discard, conn)
		assert.EqualValues(t, 3000, n)
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, 3*time.Second, sim.Elapsed())
	})
}

// Pending dials return when the simulation ends.
func TestDialsUnderWayAtTheEnd(t *testing.T) {
	errors := make(chan error, 2)
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		for _, address := range []string{"b:1", "b:2"} {
			go func() {
				_, err := sim.Host("a").DialContext(context.Background(), "tcp", address)
				errors <- err
			}()
		}
		time.Sleep(ms)
	})
	assert.ErrorIs(t, <-errors, net.ErrClosed)
	assert.ErrorIs(t, <-errors, net.ErrClosed)
}

// Goroutines that wait for the test's context have time to end after it.
func TestTimeToWindUp(t *testing.T) {
	ended := false
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		go func() {
			<-t.Context().Done()
			time.Sleep(5 * time.Second)
			ended = true
		}()
	})
	assert.True(t, ended)
}

// A dialled connection is identified by its ports; when they are used up, the error is
// the system's.
func TestPorts(t *testing.T) {
	ports := fewPorts(t)
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		for _, address := range []string{":1", ":2"} {
			listener, err := b.Listen("tcp", address)
			require.NoError(t, err)
			go func() {
				for {
					if _, err := listener.Accept(); err != nil {
						return
					}
				}
			}()
		}
		seen := make(map[string]net.Conn)
		for range ports {
			conn, err := a.DialContext(t.Context(), "tcp", "b:1")
			require.NoError(t, err)
			seen[conn.LocalAddr().String()] = conn
		}
		assert.Len(t, seen, ports)
		_, err := a.DialContext(t.Context(), "tcp", "b:1")
		assert.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		_, err = a.DialContext(t.Context(), "tcp", "b:2")
		require.NoError(t, err, "another address has its own ports")
		free := seen["10.0.0.1:33333"]
		require.NoError(t, free.Close())
		conn, err := a.DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, free.LocalAddr().String(), conn.LocalAddr().String(), "a closed connection gives its port back")
		assert.Zero(t, sim.Elapsed())
	})
}

// Ten thousand dials of one instant all succeed: only established connections that were
// not accepted fill a listener's queue.
func TestManyDialsAtOnce(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		link := netem.Link{Latency: 5 * ms}
		sim.SetLink("a", "b", link)
		sim.SetLink("b", "a", link)
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		go testnet.Serve(listener, func(net.Conn) {})
		var dials sync.WaitGroup
		for range 10000 {
			dials.Go(func() {
				conn, err := sim.Host("a").DialContext(t.Context(), "tcp", "b:1")
				if assert.NoError(t, err) {
					_, err = conn.Read(make([]byte, 1))
					assert.Equal(t, io.EOF, err)
				}
			})
		}
		dials.Wait()
		assert.Equal(t, 20*ms, sim.Elapsed(), "two round trips: to connect, and to the end")
	})
}

// Links that are set at one instant are ordered by the contents of their
// tables, too.
func TestOrderOfLinksWithTables(t *testing.T) {
	late := func(deviations int16) netem.Link {
		return netem.Link{Jitter: netem.Jitter{Deviation: time.Second, Distribution: netem.NewDistribution([]int16{8192 * deviations})}}
	}
	replay := func(ms string) netem.Link {
		replay, err := netem.ParseReplay(strings.NewReader(ms))
		require.NoError(t, err)
		return netem.Link{Replay: replay}
	}
	for _, links := range [][]netem.Link{{late(1), late(2), late(3)}, {replay("1"), replay("2"), replay("3")}} {
		repeats(t, 60, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
			client, server := connected(t, sim)
			var setters sync.WaitGroup
			for _, link := range links {
				setters.Go(func() { sim.SetLink("a", "b", link) })
			}
			setters.Wait()
			start := sim.Elapsed()
			_, _ = client.Write([]byte("x"))
			_, _ = server.Read(make([]byte, 1))
			note("under way for %v", sim.Elapsed()-start)
		})
	}
}

// In a test, Main panics with advice to call Run.
func TestMainIsForPrograms(t *testing.T) {
	assert.PanicsWithValue(t, "simtest: Main is for programs; in a test, call Run", func() { simtest.Main(func(*simtest.Sim) {}) })
}

// Traffic between hosts at one instant is ordered by host, then by connection.
func TestOrderIsByHost(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		names := []string{"d", "a", "c", "b"}
		var heard []string
		listener, err := sim.Host("ear").Listen("tcp", ":1")
		require.NoError(t, err)
		for _, name := range names {
			sim.Host(name)
		}
		var mouths sync.WaitGroup
		for _, name := range slices.Backward(names) {
			mouths.Go(func() {
				conn, err := sim.Host(name).DialContext(t.Context(), "tcp", "ear:1")
				if assert.NoError(t, err) {
					_, _ = io.WriteString(conn, name)
					_ = conn.Close()
				}
			})
		}
		for range names {
			conn, err := listener.Accept()
			require.NoError(t, err)
			text, err := io.ReadAll(conn)
			require.NoError(t, err)
			heard = append(heard, string(text))
		}
		mouths.Wait()
		assert.Equal(t, strings.Join(names, " "), strings.Join(heard, " "), "as the hosts were created")
	})
}

// runSelf runs one of this package's tests in a process of its own and returns its output.
func runSelf(t *testing.T, test string, env ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.timeout=1m")
	command.Env = append(os.Environ(), env...)
	output, err := command.CombinedOutput()
	require.Error(t, err, "it fails")
	return string(output)
}

// The reads and writes of an end at one instant, as in a proxy or HTTP/2, have a fixed
// order for its peer.
func TestOrderOfReadingAndWriting(t *testing.T) {
	repeatsIn(t, ideal, 200, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		client, server := connected(t, sim)
		_, _ = server.Write(make([]byte, 1<<20))
		var ends sync.WaitGroup
		ends.Go(func() { _, _ = server.Write(make([]byte, 1000)); note("server wrote") })
		ends.Go(func() { _, _ = server.Read(make([]byte, 1)); note("server read") })
		ends.Go(func() { time.Sleep(time.Second); _, _ = io.ReadFull(client, make([]byte, 1<<20)) })
		ends.Go(func() { time.Sleep(time.Second); _, _ = client.Write([]byte("x")) })
		ends.Wait()
	})
}

// Bytes that the goroutines of a host write to one connection at one instant arrive as
// one piece, however the writes are cut, unless packets matter to the link.
func TestWritesOfOneInstantArriveTogether(t *testing.T) {
	lengths := func(link netem.Link) (all []int) {
		simtest.Config{TCP: unlimited, Link: link, KeepEvents: 100}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			client, server := connected(t, sim)
			for _, text := range []string{"the", " quick", " brown", " fox"} {
				_, err := io.WriteString(client, text)
				require.NoError(t, err)
			}
			require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite())
			text, err := io.ReadAll(server)
			require.NoError(t, err)
			assert.Equal(t, "the quick brown fox", string(text))
			for _, e := range sim.Trace().Events() {
				if e.Kind == trace.Data {
					all = append(all, e.Length)
				}
			}
		})
		return all
	}
	assert.Equal(t, []int{19}, lengths(netem.Link{}))
	assert.Equal(t, []int{19}, lengths(netem.Link{Latency: time.Second, Queue: netem.Queue{Bytes: 100}, MTU: 10}))
	each := []int{3, 6, 6, 4}
	assert.Equal(t, each, lengths(netem.Link{Rate: netem.Mbps}))
	assert.Equal(t, each, lengths(netem.Link{Loss: netem.Loss{Random: 0.5}}))
	assert.Equal(t, each, lengths(netem.Link{Pace: netem.Pace{Bytes: 100, Wait: time.Second}}))
	assert.Equal(t, each, lengths(netem.Link{Bottleneck: netem.NewBottleneck(netem.Mbps)}))
}
