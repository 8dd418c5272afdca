package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// callers are goroutines that wait for the same thing. Each records its result; the
// order of the records depends on the scheduler.
type callers struct {
	mu   sync.Mutex
	wait sync.WaitGroup
	got  []string
}

// after adds a caller, which calls when the given time has passed.
func (c *callers) after(d time.Duration, name string, call func() string) {
	c.wait.Go(func() {
		time.Sleep(d)
		got := call()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, name+": "+got)
	})
}

// smallWindow is soon full.
const smallWindow = 4096

// inAllRuns runs a simulation many times, on 1, 2 and 4 processors, and returns
// each caller's result, which must be the same in all runs.
func inAllRuns(t *testing.T, cfg simtest.Config, runs int, f func(t *testing.T, sim *simtest.Sim, c *callers)) (got []string) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	cfg.KeepPools, cfg.Window = true, smallWindow
	for run := range runs {
		runtime.GOMAXPROCS([]int{1, 2, 4}[run%3])
		c := &callers{}
		cfg.Run(t, func(t *testing.T, sim *simtest.Sim) {
			f(t, sim, c)
			c.wait.Wait()
		})
		slices.Sort(c.got)
		if run == 0 {
			got = c.got
		}
		require.Equal(t, got, c.got, "run %d", run)
	}
	return got
}

func readSome(c io.Reader, size int) string {
	buffer := make([]byte, size)
	n, err := c.Read(buffer)
	return fmt.Sprintf("%q, %s", buffer[:n], describe(err))
}

func writeMuch(c io.Writer) string {
	_, err := c.Write(make([]byte, 3*smallWindow)) // more than both buffers take
	return describe(err)
}

// A notifier is the interface of a connection for event loops.
type notifier interface {
	NotifyReadable(f func())
	TryRead(p []byte) (int, error)
}

// If a reader and a writer of a connection wait, the same one of them gets the reset in
// every run. With seeds it can be either, as on Linux.
func TestWhoHearsOfAReset(t *testing.T) {
	reader := []string{`reader: "", read: read: connection reset by peer`, "writer: write: write: broken pipe"}
	writer := []string{`reader: "", EOF`, "writer: write: write: connection reset by peer"}
	for what, reset := range map[string]func(sim *simtest.Sim, client, server net.Conn){
		"by the peer":   func(_ *simtest.Sim, _, server net.Conn) { _ = server.Close() }, // with something unread
		"by Reset":      func(sim *simtest.Sim, _, _ net.Conn) { sim.Reset("a", "b") },
		"by ResetConn":  func(sim *simtest.Sim, client, _ net.Conn) { sim.ResetConn(client) },
		"for a restart": func(sim *simtest.Sim, _, _ net.Conn) { sim.Host("b").Restart() },
	} {
		t.Run(what, func(t *testing.T) {
			seen := make(map[string]int)
			for seed := range uint64(10) {
				runs := tier.Count(40, 400)
				if seed == 0 && what == "by the peer" {
					runs = 400
				}
				got := inAllRuns(t, simtest.Config{Seed: seed}, runs, func(t *testing.T, sim *simtest.Sim, c *callers) {
					client, server := connected(t, sim)
					c.after(1, "reader", func() string { return readSome(client, 10) })
					c.after(1, "writer", func() string { return writeMuch(client) })
					time.Sleep(time.Second)
					reset(sim, client, server)
				})
				if seed == 0 {
					assert.Equal(t, reader, got)
				}
				assert.Contains(t, [][]string{reader, writer}, got)
				seen[got[0]]++
			}
			assert.Len(t, seen, 2, "seeds find both")
		})
	}
}

// Of several goroutines that wait, the one that has waited longest is served first; and
// at the instant of a deadline, the deadline wins.
func TestWhoGetsWhat(t *testing.T) {
	never := time.Time{}
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for what, tc := range map[string]struct {
		f    func(t *testing.T, sim *simtest.Sim, c *callers)
		link netem.Link
		want []string
	}{
		"two readers": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, server := connected(t, sim)
				c.after(2, "second", func() string { return readSome(client, 3) })
				c.after(1, "first", func() string { return readSome(client, 3) })
				time.Sleep(time.Second)
				_, _ = io.WriteString(server, "onetwo")
			},
			want: []string{`first: "one", ok`, `second: "two", ok`},
		},
		"a reader that comes back": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, server := connected(t, sim)
				c.after(1, "first", func() string { return readSome(client, 3) + " " + readSome(client, 3) })
				c.after(2, "second", func() string { return readSome(client, 3) })
				time.Sleep(time.Second)
				_, _ = io.WriteString(server, "onetwothree")
				_ = server.Close()
			},
			want: []string{`first: "one", ok "thr", ok`, `second: "two", ok`},
		},
		"readers and the end": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, server := connected(t, sim)
				c.after(2, "second", func() string { return readSome(client, 3) })
				c.after(1, "first", func() string { return readSome(client, 3) })
				time.Sleep(time.Second)
				_, _ = io.WriteString(server, "end")
				_ = server.Close()
			},
			want: []string{`first: "end", ok`, `second: "", EOF`},
		},
		"readers and a reset": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, _ := connected(t, sim)
				c.after(2, "second", func() string { return readSome(client, 3) })
				c.after(1, "first", func() string { return readSome(client, 3) })
				time.Sleep(time.Second)
				sim.ResetConn(client)
			},
			want: []string{`first: "", read: read: connection reset by peer`, `second: "", EOF`},
		},
		"writers and a reset": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, _ := connected(t, sim)
				c.after(2, "second", func() string { return writeMuch(client) })
				c.after(1, "first", func() string { return writeMuch(client) })
				time.Sleep(time.Second)
				sim.ResetConn(client)
			},
			want: []string{"first: write: write: connection reset by peer", "second: write: write: broken pipe"},
		},
		"a reset where one is notified and one writes": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, _ := connected(t, sim)
				notified := make(chan struct{}, 1)
				client.(notifier).NotifyReadable(func() { notified <- struct{}{} })
				c.after(1, "notified", func() string {
					<-notified
					_, err := client.(notifier).TryRead(make([]byte, 1))
					return describe(err)
				})
				c.after(1, "writer", func() string { return writeMuch(client) })
				time.Sleep(time.Second)
				sim.ResetConn(client)
			},
			want: []string{"notified: read: read: connection reset by peer", "writer: write: write: broken pipe"},
		},
		"two writers": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, server := connected(t, sim)
				_, err := client.Write(make([]byte, smallWindow))
				require.NoError(t, err)
				for i, text := range []string{"one", "two", "three"} {
					c.after(time.Duration(3-i), text, func() string { _, err := io.WriteString(client, text); return describe(err) })
				}
				c.after(time.Second, "reader", func() string {
					_, _ = io.ReadFull(server, make([]byte, smallWindow))
					text := make([]byte, 11)
					_, err := io.ReadFull(server, text)
					return fmt.Sprintf("%s, %s", text, describe(err))
				})
			},
			want: []string{"one: ok", "reader: threetwoone, ok", "three: ok", "two: ok"},
		},
		"two that accept": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				listener, err := sim.Host("b").Listen("tcp", ":1")
				require.NoError(t, err)
				for i, name := range []string{"second", "first"} {
					c.after(time.Duration(2-i), name, func() string {
						conn, err := listener.Accept()
						require.NoError(t, err)
						return readSome(conn, 1)
					})
				}
				time.Sleep(time.Second)
				for _, text := range []string{"1", "2"} {
					conn, err := sim.Host("a").Dial("tcp", "b:1")
					require.NoError(t, err)
					_, _ = io.WriteString(conn, text)
				}
			},
			want: []string{`first: "1", ok`, `second: "2", ok`},
		},
		"a connection when the listener closes": {
			link: netem.Link{Latency: time.Second},
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				listener, err := sim.Host("b").Listen("tcp", ":1")
				require.NoError(t, err)
				c.after(0, "dials", func() string {
					conn, err := sim.Host("a").Dial("tcp", "b:1") // it is confirmed after three seconds
					require.NoError(t, err)
					return readSome(conn, 1)
				})
				c.after(0, "accepts", func() string { _, err := listener.Accept(); return describe(err) })
				c.after(3*time.Second, "closes", func() string { return describe(listener.Close()) })
			},
			want: []string{"accepts: accept: closed", "closes: ok", `dials: "", read: read: connection reset by peer`},
		},
		"two that read datagrams": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				socket, err := sim.Host("b").ListenPacket("udp", ":1")
				require.NoError(t, err)
				for i, name := range []string{"second", "first"} {
					c.after(time.Duration(2-i), name, func() string {
						buffer := make([]byte, 10)
						n, _, err := socket.ReadFrom(buffer)
						return fmt.Sprintf("%q, %s", buffer[:n], describe(err))
					})
				}
				time.Sleep(time.Second)
				conn, err := sim.Host("a").Dial("udp", "b:1")
				require.NoError(t, err)
				_, _ = io.WriteString(conn, "1")
				_, _ = io.WriteString(conn, "2")
			},
			want: []string{`first: "1", ok`, `second: "2", ok`},
		},
		"the answer that the port is closed": {
			link: netem.Link{Latency: time.Second},
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				sim.Host("b")
				conn, err := sim.Host("a").Dial("udp", "b:1")
				require.NoError(t, err)
				c.after(2, "second", func() string { _ = conn.SetReadDeadline(in(time.Hour)); return readSome(conn, 1) })
				c.after(1, "first", func() string {
					got := readSome(conn, 1)
					_, err := conn.Write([]byte("y")) // the error was consumed
					return got + " " + describe(err)
				})
				_, err = conn.Write([]byte("x"))
				require.NoError(t, err)
			},
			want: []string{`first: "", read: read: connection refused ok`, `second: "", read: read: connection refused`},
		},
		"a deadline that is put off at its instant": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, server := connected(t, sim)
				require.NoError(t, client.SetDeadline(in(time.Second)))
				c.after(0, "reader", func() string { return readSome(client, 1) })
				c.after(0, "writer", func() string { return writeMuch(client) })
				c.after(time.Second, "puts off", func() string { return describe(client.SetDeadline(never)) })
				time.Sleep(2 * time.Second)
				_ = server.Close()
			},
			want: []string{"puts off: ok", `reader: "", read: ErrDeadlineExceeded, a timeout`, "writer: write: ErrDeadlineExceeded, a timeout"},
		},
		"a deadline when it is closed": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, _ := connected(t, sim)
				require.NoError(t, client.SetDeadline(in(time.Second)))
				c.after(0, "reader", func() string { return readSome(client, 1) })
				c.after(0, "writer", func() string { return writeMuch(client) })
				c.after(time.Second, "closes", func() string { return describe(client.Close()) })
			},
			want: []string{"closes: ok", `reader: "", read: ErrDeadlineExceeded, a timeout`, "writer: write: ErrDeadlineExceeded, a timeout"},
		},
		"a deadline when data comes": {
			link: netem.Link{Latency: time.Second},
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				client, server := connected(t, sim)
				_, _ = io.WriteString(server, "data")
				require.NoError(t, client.SetDeadline(in(time.Second)))
				c.after(0, "reader", func() string {
					got := readSome(client, 4)
					_ = client.SetDeadline(never)
					return got + " " + readSome(client, 4)
				})
			},
			want: []string{`reader: "", read: ErrDeadlineExceeded, a timeout "data", ok`},
		},
		"a listener's deadline when it is closed": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				listener, err := sim.Host("b").Listen("tcp", ":1")
				require.NoError(t, err)
				require.NoError(t, listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(in(time.Second)))
				c.after(0, "accepts", func() string { _, err := listener.Accept(); return describe(err) })
				c.after(time.Second, "closes", func() string { return describe(listener.Close()) })
			},
			want: []string{"accepts: accept: ErrDeadlineExceeded, a timeout", "closes: ok"},
		},
		"a socket's deadline when it is closed": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				socket, err := sim.Host("b").ListenPacket("udp", ":1")
				require.NoError(t, err)
				require.NoError(t, socket.SetDeadline(in(time.Second)))
				c.after(0, "reads", func() string { _, _, err := socket.ReadFrom(make([]byte, 1)); return describe(err) })
				c.after(time.Second, "closes", func() string { return describe(socket.Close()) })
			},
			want: []string{"closes: ok", "reads: read: ErrDeadlineExceeded, a timeout"},
		},
		"a dial's deadline when the answer comes": {
			link: netem.Link{Latency: time.Second},
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				_, err := sim.Host("b").Listen("tcp", ":1")
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				c.after(0, "dials", func() string {
					defer cancel()
					_, err := sim.Host("a").DialContext(ctx, "tcp", "b:1")
					return describe(err)
				})
			},
			want: []string{"dials: dial: i/o timeout (DeadlineExceeded), a timeout"},
		},
		"a dial at its deadline": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				_, err := sim.Host("b").Listen("tcp", ":1")
				require.NoError(t, err)
				for network, address := range map[string]string{"tcp": "10.0.0.1:1", "udp": "10.0.0.1:2", "tcp4": "b:1"} {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					c.after(time.Second, network, func() string {
						defer cancel()
						_, err := sim.Host("a").DialContext(ctx, network, address)
						return describe(err)
					})
				}
			},
			want: []string{"tcp4: dial: DNSError \"b\" i/o timeout, not found false, a timeout", "tcp: dial: i/o timeout (DeadlineExceeded), a timeout", "udp: dial: i/o timeout (DeadlineExceeded), a timeout"},
		},
		"a lookup's deadline when it is answered": {
			f: func(t *testing.T, sim *simtest.Sim, c *callers) {
				sim.SetName("b", simtest.Name{Delay: time.Second})
				sim.Host("b")
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				c.after(0, "looks up", func() string {
					defer cancel()
					_, err := sim.Host("a").Resolver().LookupHost(ctx, "b")
					return describe(err)
				})
			},
			want: []string{"looks up: DNSError \"b\" i/o timeout, not found false, a timeout"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			assert.Equal(t, tc.want, inAllRuns(t, simtest.Config{Link: tc.link}, tier.Count(90, 900), tc.f))
		})
	}
}
