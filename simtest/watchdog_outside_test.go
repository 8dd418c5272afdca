package simtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An outsider is something outside of a simulation, for which it should not wait: an
// outsider answers nothing until the end.
type outsider struct {
	tcp, udp string // addresses of sockets
	pipe     *os.File
	mu       sync.Mutex // held
	end      chan struct{}
	dialled  chan net.Conn // connections to close at the end
}

// newOutsider returns an outsider that begins to end when due is closed.
func newOutsider(t *testing.T, due <-chan struct{}) *outsider {
	o := &outsider{end: make(chan struct{}), dialled: make(chan net.Conn, 10)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	o.tcp, o.udp, o.pipe = listener.Addr().String(), socket.LocalAddr().String(), r
	go func() {
		conn, _ := listener.Accept()
		<-o.end
		if conn != nil {
			_ = conn.Close()
		}
	}()
	o.mu.Lock()
	go func() {
		<-due
		fmt.Println("the end is near")
		o.mu.Unlock()
		for _, c := range []interface{ Close() error }{listener, socket, w} {
			_ = c.Close()
		}
		close(o.end)
		for len(o.dialled) > 0 {
			_ = (<-o.dialled).Close()
		}
	}()
	return o
}

// dialUDP connects to the outsider's socket, until the end.
func (o *outsider) dialUDP() (net.Conn, error) {
	select {
	case <-o.end:
		return nil, net.ErrClosed
	default:
	}
	conn, err := net.Dial("udp", o.udp)
	if err == nil {
		o.dialled <- conn
	}
	return conn, err
}

// printed returns a channel that is closed when something is written to standard
// error. The process's own is a pipe from then on.
func printed(t *testing.T) <-chan struct{} {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	systems := os.Stderr
	os.Stderr = w
	t.Cleanup(func() { os.Stderr = systems; _ = w.Close() })
	seen := make(chan struct{})
	go func() {
		buffer := make([]byte, 64<<10)
		for n, err := r.Read(buffer); err == nil; n, err = r.Read(buffer) {
			_, _ = systems.Write(buffer[:n])
			select {
			case <-seen:
			default:
				close(seen)
			}
		}
	}()
	return seen
}

// A goroutine that waits for something outside of the simulation, and so stops its
// time, is reported while it waits. When the wait ends, the simulation continues.
func TestWaitsOutside(t *testing.T) {
	const host, test, here = "\npoet:\n", "\nthe test itself:\n", "simtest.TestWaitsOutside."
	onPoet := func(sim *Sim, f func()) { sim.Host("poet").Run(func(context.Context) error { f(); return nil }) }
	// With the overlay, a host's sockets are simulated, and only the test has real ones.
	withSockets, socketHost := onPoet, host
	if Overlay().Net {
		withSockets, socketHost = func(_ *Sim, f func()) { go f() }, test
	}
	for _, tc := range []struct {
		name   string
		f      func(t *testing.T, sim *Sim, o *outsider)
		prints []string
	}{
		{"for a real socket", func(_ *testing.T, sim *Sim, o *outsider) {
			withSockets(sim, func() {
				conn, err := net.Dial("tcp", o.tcp)
				if err == nil {
					_, _ = conn.Read(make([]byte, 1))
					_ = conn.Close()
				}
			})
		}, []string{socketHost + "1 in IO wait: net.(*netFD).Read (fd_posix.go", ", from " + here}},
		{"for an answer", func(_ *testing.T, sim *Sim, o *outsider) {
			withSockets(sim, func() {
				client := &http.Client{Transport: &http.Transport{}}
				_, _ = client.Get("http://" + o.tcp)
			})
		}, []string{socketHost + "1 in IO wait: net.(*netFD).Read (fd_posix.go", ", from " + here}},
		{"for a resolver", func(_ *testing.T, sim *Sim, o *outsider) {
			resolver := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return o.dialUDP() }}
			withSockets(sim, func() { _, _ = resolver.LookupHost(context.Background(), "poet.test") })
		}, []string{socketHost, " in IO wait: net.(*netFD).Read (fd_posix.go", ", from " + here}},
		{"for a pipe", func(_ *testing.T, sim *Sim, o *outsider) {
			onPoet(sim, func() { _, _ = o.pipe.Read(make([]byte, 1)) })
		}, []string{host + "1 in IO wait: os.(*File).", "a file or a pipe of the system"}},
		{"for a channel", func(_ *testing.T, sim *Sim, o *outsider) {
			onPoet(sim, func() { <-o.end })
		}, []string{host + "1 in chan receive: " + here}},
		{"for a channel or time", func(_ *testing.T, sim *Sim, o *outsider) {
			for range 3 {
				go func() {
					select {
					case <-o.end:
					case <-time.After(time.Hour):
					}
				}()
			}
			time.Sleep(time.Second)
		}, []string{test + "3 in select: " + here}},
		{"for a mutex", func(_ *testing.T, sim *Sim, o *outsider) {
			onPoet(sim, func() { o.mu.Lock(); defer o.mu.Unlock() })
		}, []string{host + "1 in sync.Mutex.Lock: " + here, "\nThe mutex that host poet waits for in " + here}},
		{"with a mutex", func(_ *testing.T, sim *Sim, o *outsider) {
			var mu sync.Mutex
			locked := make(chan struct{})
			sim.Host("reader").Run(func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				close(locked)
				<-o.end
				return nil
			})
			<-locked
			onPoet(sim, func() { mu.Lock(); defer mu.Unlock() })
		}, []string{"\nreader:\n1 in chan receive: " + here, host + "1 in sync.Mutex.Lock: " + here,
			"\nThe mutex that host poet waits for in " + here, " may be held by host reader, in chan receive:\n" + here}},
		{"in a clean-up", func(t *testing.T, _ *Sim, o *outsider) {
			t.Cleanup(func() { <-o.end })
		}, []string{test + "1 in chan receive: " + here}},
		{"after the end", func(_ *testing.T, _ *Sim, o *outsider) {
			go func() { time.Sleep(time.Second); <-o.end }()
		}, []string{test + "1 in chan receive: " + here}},
	} {
		heldOutside := Overlay().Time && tc.name == "for a mutex"
		if heldOutside { // this is certain, and the holder is not looked for
			tc.prints = slices.DeleteFunc(tc.prints, func(s string) bool { return strings.Contains(s, "The mutex that host poet waits for") })
		}
		t.Run(tc.name, func(t *testing.T) {
			output, status, ok := inChild(t, func(t *testing.T) {
				defer SetLookEvery(20 * time.Millisecond)()
				o := newOutsider(t, printed(t))
				Run(t, func(t *testing.T, sim *Sim) { tc.f(t, sim, o) })
				fmt.Println("it goes on")
			})
			if !ok {
				return
			}
			assert.Equal(t, 0, status, output)
			output = indent.ReplaceAllString(output, "")
			told, rest, _ := strings.Cut(output, "the end is near\n")
			for _, s := range append(tc.prints, "simtest: TestWaitsOutside/", "no progress for ") {
				assert.Contains(t, told, s)
			}
			assert.Equal(t, heldOutside, strings.Contains(told, heldOutsideText), told)
			if strings.Contains(told, "wait for something outside") {
				assert.Equal(t, !Overlay().Net, strings.Contains(told, "Or run the test with slownet test"), told)
			}
			assert.Equal(t, 1, strings.Count(output, "no progress for"), output)
			assert.Contains(t, rest, "it goes on\n")
			assert.NotContains(t, output, "DATA RACE")
		})
	}
}

// A goroutine of the simulation may hold a mutex while it waits for something outside. The
// advice does not say then that the mutex is held outside, nor that the goroutines that
// wait for the mutex wait for something outside.
func TestStandsStillText(t *testing.T) {
	const (
		mutexOutside = "The mutex is held outside of the simulation"
		guess        = "most likely held by the test itself, in chan receive:\nshop.(*Store).load (x.go:1)"
		all, others  = "\nThey wait for something outside", "\nThose that do not wait for a mutex wait for something outside"
	)
	locked := locking("1", "0xc008", "shop.(*Store).Get(0xc001)")
	receives := "goroutine 2 [chan receive, synctest bubble 1]:\nshop.(*Store).load(0xc001)\n\t/x/x.go:1 +0x1\ncreated by main.main in goroutine 1\n\t/x/main.go:1 +0x1\n"
	for _, tc := range []struct {
		name   string
		layers Layers
		dump   []string
		says   []string
	}{
		{"a holder inside that waits", Layers{}, []string{locked, receives}, []string{guess, others}},
		{"and with the layer time", Layers{Time: true}, []string{locked, receives}, []string{guess, others}},
		{"a mutex", Layers{}, []string{locked}, []string{"is held by a goroutine whose calls do not show it"}},
		{"a mutex with the layer time", Layers{Time: true}, []string{locked}, []string{mutexOutside}},
		{"a channel", Layers{}, []string{receives}, []string{all}},
		{"a channel with the layer time", Layers{Time: true}, []string{receives}, []string{all}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &simulation{id: "no simulation", config: Config{layers: tc.layers}}
			text := indent.ReplaceAllString(s.standsStillText(survey{goroutines: goroutinesOf(tc.dump...)}, time.Second), "")
			for _, part := range []string{mutexOutside, guess, all, others} {
				assert.Equal(t, slices.Contains(tc.says, part), strings.Contains(text, part), text)
			}
			for _, part := range tc.says {
				assert.Contains(t, text, part)
			}
		})
	}
}

// A simulation that computes is not reported, however long time stands still, nor is a
// simulation that waits only briefly for something outside.
func TestDoesNotStandStill(t *testing.T) {
	const look = 20 * time.Millisecond
	for name, f := range map[string]func(sim *Sim, ask, end <-chan struct{}){
		"it computes": func(_ *Sim, _, end <-chan struct{}) {
			for {
				select {
				case <-end:
					return
				default:
					runtime.Gosched()
				}
			}
		},
		"it waits for moments": func(sim *Sim, ask, end <-chan struct{}) {
			for range 40 {
				select {
				case <-ask:
				case <-end: // on a busy machine there are fewer questions
					return
				}
				sim.Settle()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			output, status, ok := inChild(t, func(t *testing.T) {
				defer SetLookEvery(look)()
				over := make(chan struct{})
				time.AfterFunc(40*look, func() { close(over) })
				o := newOutsider(t, over)
				ask := make(chan struct{})
				go func() {
					for {
						time.Sleep(look / 2)
						select {
						case ask <- struct{}{}:
						case <-o.end:
							return
						}
					}
				}()
				Run(t, func(t *testing.T, sim *Sim) { f(sim, ask, o.end) })
			})
			if ok {
				assert.Equal(t, 0, status, output)
				assert.NotContains(t, output, "no progress for")
			}
		})
	}
}
