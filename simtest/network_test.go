package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

func TestDialAndListenErrors(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		listener, address := n.Listen(t)
		dial := func(ctx context.Context, network, address string) error {
			conn, err := n.Dial(ctx, network, address)
			if err == nil {
				_ = conn.Close()
				return nil
			}
			var opError *net.OpError
			require.ErrorAs(t, err, &opError)
			assert.Equal(t, "dial", opError.Op)
			return err
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-1))
		defer cancel()

		assert.NoError(t, dial(t.Context(), "tcp", address))
		assert.ErrorContains(t, dial(t.Context(), "tcp", n.RefusedAddress(t)), "connect: connection refused")
		assert.ErrorIs(t, dial(t.Context(), "tcp", n.RefusedAddress(t)), syscall.ECONNREFUSED)
		assert.ErrorIs(t, dial(canceled, "tcp", address), context.Canceled)
		assert.ErrorContains(t, dial(canceled, "tcp", address), "operation was canceled")
		assert.ErrorIs(t, dial(late, "tcp", address), context.DeadlineExceeded)
		assert.ErrorContains(t, dial(late, "tcp", address), "i/o timeout")
		assert.ErrorContains(t, dial(t.Context(), "tcp", "no port"), "missing port in address")
		assert.ErrorContains(t, dial(t.Context(), "tcp", "127.0.0.1:99999"), "invalid port")
		assert.ErrorContains(t, dial(t.Context(), "ipx", address), "unknown network ipx")

		require.NoError(t, listener.Close())
		assert.ErrorContains(t, listener.Close(), "use of closed network connection")
		_, err := listener.Accept()
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorIs(t, dial(t.Context(), "tcp", address), syscall.ECONNREFUSED)
	})
}

func TestListenerClosedWithConnectionsPending(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		listener, address := n.Listen(t)
		conn := n.MustDial(t, address)
		require.NoError(t, listener.Close())
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

func TestCloseWakesAccept(t *testing.T) {
	testnet.Each(t, func(t *testing.T, n *testnet.Net) {
		listener, _ := n.Listen(t)
		go func() { time.Sleep(ms); _ = listener.Close() }()
		_, err := listener.Accept()
		assert.Equal(t, "accept: closed", describe(err))
	})
}

func TestNamesAndAddresses(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		assert.Same(t, a, sim.Host("a"))
		assert.Equal(t, "a", a.Name())
		assert.Equal(t, "10.0.0.1", a.Addr().String())
		assert.Equal(t, "10.0.0.2", b.Addr().String())

		listen := func(h *simtest.Host, network, address string) net.Listener {
			l, err := h.Listen(network, address)
			require.NoError(t, err, "%s %s", network, address)
			t.Cleanup(func() { _ = l.Close() })
			return l
		}
		assert.Equal(t, "[::]:80", listen(b, "tcp", ":80").Addr().String())
		assert.Equal(t, "10.0.0.2:81", listen(b, "tcp", "b:81").Addr().String())
		assert.Equal(t, "127.0.0.1:82", listen(b, "tcp", "localhost:82").Addr().String())
		assert.Equal(t, "0.0.0.0:83", listen(b, "tcp4", ":83").Addr().String())
		assert.Equal(t, "[::]:84", listen(b, "tcp6", ":84").Addr().String())
		assert.Equal(t, "[fd00::2]:85", listen(b, "tcp", "[fd00::2]:85").Addr().String())
		assert.Equal(t, "10.0.0.1:80", listen(a, "tcp", "10.0.0.1:80").Addr().String(), "a port on each host")
		assert.NotEqual(t, listen(b, "tcp", ":0").Addr().String(), listen(b, "tcp", ":0").Addr().String())

		reach := map[string]error{
			"tcp b:80": nil, "tcp4 b:80": nil, "tcp6 b:80": nil, "tcp [fd00::2]:80": nil, "tcp 10.0.0.2:80": nil, "tcp b:http": nil,
			"tcp b:81": nil, "tcp6 b:81": syscall.ECONNREFUSED,
			"tcp b:82": syscall.ECONNREFUSED, "tcp 127.0.0.1:82": syscall.ECONNREFUSED,
			"tcp4 b:83": nil, "tcp6 b:83": syscall.ECONNREFUSED,
			"tcp4 b:84": syscall.ECONNREFUSED, "tcp6 b:84": nil,
			"tcp 10.9.9.9:80": syscall.EHOSTUNREACH,
		}
		for target, want := range reach {
			network, address, _ := strings.Cut(target, " ")
			conn, err := a.DialContext(t.Context(), network, address)
			if want == nil && assert.NoError(t, err, target) {
				_ = conn.Close()
			} else {
				assert.ErrorIs(t, err, want, target)
			}
		}
		for _, own := range []string{"localhost:82", "127.0.0.1:82", ":80", "0.0.0.0:80", "[::1]:80", "[::]:80", "b:80"} {
			conn, err := b.DialContext(t.Context(), "tcp", own)
			require.NoError(t, err, own)
			_ = conn.Close()
		}

		_, err := a.DialContext(t.Context(), "tcp", "nobody:80")
		var dnsError *net.DNSError
		require.ErrorAs(t, err, &dnsError)
		assert.True(t, dnsError.IsNotFound)
		assert.Equal(t, "nobody", dnsError.Name)

		for _, taken := range []string{":80", "b:80", "127.0.0.1:80", "[::1]:80"} {
			_, err = b.Listen("tcp", taken)
			assert.ErrorIs(t, err, syscall.EADDRINUSE, taken)
			assert.ErrorContains(t, err, "bind: address already in use")
		}
		_, err = b.Listen("tcp", "a:90")
		assert.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		_, err = b.Listen("udp", ":90")
		assert.ErrorContains(t, err, "unexpected address type")
		_, err = b.Listen("tcp4", "[::1]:90")
		assert.Error(t, err)

		for _, bad := range []string{"", "a:80", ":80", "10.0.0.1", "::1", "localhost", "a b", "[a]", "a%b", "a/b", "a."} {
			assert.Panics(t, func() { sim.Host(bad) }, "%q", bad)
		}
	})
}

// A number is a host's name, and not a port.
func TestHostNamedByANumber(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		_, err := sim.Host("80").Listen("tcp", ":80")
		require.NoError(t, err)
		conn, err := sim.Host("a").Dial("tcp", "80:80")
		require.NoError(t, err)
		assert.Equal(t, sim.Host("80").Addr().String()+":80", conn.RemoteAddr().String())
		_, err = sim.Host("a").Dial("tcp", ":80")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED, "on a itself")
		sim.Refuse("80")
		_, err = sim.Host("a").Dial("tcp", "80:80")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

func TestFullBacklogMakesADialWait(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		const backlog = 4096
		for range backlog {
			_, err := sim.Host("a").DialContext(t.Context(), "tcp", "b:1")
			require.NoError(t, err)
		}
		start := time.Now()
		_, err = sim.Host("a").DialContext(t.Context(), "tcp4", "b:1")
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 131*time.Second, time.Since(start), "5 x 1 + 2 + 4 + 8 + 16 + 32 + 64 s")

		start = time.Now()
		go func() {
			time.Sleep(2 * time.Second)
			_, _ = listener.Accept()
		}()
		_, err = sim.Host("a").DialContext(t.Context(), "tcp4", "b:1")
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, time.Since(start), "there is room then")
	})
}

func TestDialIsCanceledUnderWay(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		sim.SetLink("b", "a", netem.Link{Latency: time.Second})
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		for _, after := range []time.Duration{500 * ms, 1500 * ms} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			start := time.Now()
			_, err = sim.Host("a").DialContext(ctx, "tcp", "b:1")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, after, time.Since(start))
		}
		start := time.Now()
		conn, err := sim.Host("a").DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, 2*time.Second, time.Since(start), "a round trip")
		accepted, err := listener.Accept()
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start), "the confirmation is under way for another second")
		assert.Equal(t, conn.LocalAddr().String(), accepted.RemoteAddr().String(), "the canceled ones were not handed out")
	})
}

// The effects of a link, as seen from both ends.
func TestLinks(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: 50 * ms, Rate: netem.Mbps})
		conn, peer := connected(t, sim)

		start := sim.Elapsed()
		write := func(c net.Conn, n int) {
			_, err := c.Write(make([]byte, n))
			require.NoError(t, err)
		}
		read := func(c net.Conn, n int, at time.Duration) {
			t.Helper()
			_, err := io.ReadFull(c, make([]byte, n))
			require.NoError(t, err)
			assert.Equal(t, at, sim.Elapsed()-start)
		}
		write(conn, 4000)
		read(peer, 1500, 62*ms) // 12 ms for the bits, 50 ms of latency
		read(peer, 1500, 74*ms)
		read(peer, 1000, 82*ms)
		write(peer, 4000)
		read(conn, 4000, 82*ms) // the return path has no limits

		write(conn, 100)
		sim.SetLink("a", "b", netem.Link{})
		write(conn, 100)
		read(peer, 200, 132*ms+800*time.Microsecond) // the first under the old link, and the second does not overtake it
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		write(conn, 1)
		time.Sleep(ms)
		sim.SetLink("a", "b", netem.Link{})
		write(conn, 1)
		read(peer, 2, 1132*ms+800*time.Microsecond) // nothing overtakes bytes in flight
		write(conn, 1)
		read(peer, 1, 1132*ms+800*time.Microsecond)

		assert.Panics(t, func() { sim.SetLink("a", "b", netem.Link{Latency: -1}) })
	})
}

// When f returns, everything open is closed, and waiting calls return: otherwise the
// bubble would report them.
func TestEnd(t *testing.T) {
	var ended []string
	var mu sync.Mutex
	note := func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, what+": "+describe(err))
	}
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		listener, err := b.Listen("tcp", ":1")
		require.NoError(t, err)
		conn, err := a.DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		_, err = listener.Accept()
		require.NoError(t, err)
		go func() {
			_, err := listener.Accept()
			note("accept", err)
			_, err = b.Listen("tcp", ":2")
			note("listen", err)
			_, err = b.DialContext(context.Background(), "tcp", "a:1")
			note("dial", err)
		}()
		go func() {
			_, err := conn.Read(make([]byte, 1))
			note("read", err)
		}()
		go func() {
			_, err := conn.Write(make([]byte, 64<<20))
			note("write", err)
		}()
		time.Sleep(ms)
	})
	assert.ElementsMatch(t, []string{"accept: accept: closed", "listen: listen: closed", "dial: dial: closed", "read: read: closed", "write: write: closed"}, ended)
}

// A name resolves to two addresses. The second is dialled if the host refuses the first
// and listens on the second; otherwise the dial has the result of the first.
func TestDialTriesEachAddress(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		link := netem.Link{Latency: 100 * ms}
		sim.SetProfile("a", "b", netem.Profile{Up: link, Down: link})
		a, b := sim.Host("a"), sim.Host("b")
		six, err := b.Listen("tcp6", ":6")
		require.NoError(t, err)
		four, err := b.Listen("tcp4", ":4")
		require.NoError(t, err)
		sim.SetName("www", simtest.Name{Host: "b", Delay: time.Second})
		dial := func(network, address, remote string, want error, took time.Duration) {
			t.Helper()
			start := sim.Elapsed()
			conn, err := a.Dial(network, address)
			assert.ErrorIs(t, err, want)
			assert.Equal(t, took, sim.Elapsed()-start)
			if want != nil {
				assert.Equal(t, remote, err.(*net.OpError).Addr.String())
			} else if assert.NoError(t, err) {
				assert.Equal(t, remote, conn.RemoteAddr().String())
			}
		}
		dial("tcp", "b:4", "10.0.0.2:4", nil, 200*ms)
		dial("tcp", "b:6", "[fd00::2]:6", nil, 400*ms)
		dial("tcp", "www:6", "[fd00::2]:6", nil, 1400*ms)
		dial("tcp6", "b:6", "[fd00::2]:6", nil, 200*ms)
		dial("tcp", "b:5", "10.0.0.2:5", syscall.ECONNREFUSED, 200*ms)
		dial("tcp", "10.0.0.2:6", "10.0.0.2:6", syscall.ECONNREFUSED, 200*ms)
		dial("tcp4", "b:6", "10.0.0.2:6", syscall.ECONNREFUSED, 200*ms)

		sim.Refuse("b")
		dial("tcp", "b:6", "10.0.0.2:6", syscall.ECONNREFUSED, 400*ms)
		sim.Blackhole("b")
		dial("tcp", "b:6", "10.0.0.2:6", syscall.ETIMEDOUT, 131*time.Second)
		sim.At(sim.Elapsed()+200*ms, func() { sim.Allow("b") })
		dial("tcp", "b:6", "[fd00::2]:6", nil, 1400*ms)

		for _, listener := range []net.Listener{four, six} {
			go func() {
				time.Sleep(time.Hour)
				_ = listener.Close()
			}()
			accepted := 0
			for {
				if _, err := listener.Accept(); err != nil {
					break
				}
				accepted++
			}
			assert.Equal(t, map[net.Listener]int{four: 1, six: 4}[listener], accepted, "no dial has made two connections")
		}
	})
}

// The second attempt of a dial ends when the dial ends, or its host crashes.
func TestEndOfTheSecondAttempt(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(sim *simtest.Sim, cancel func())
		want error
	}{
		"canceled":   {func(_ *simtest.Sim, cancel func()) { cancel() }, syscall.ECONNREFUSED}, // the first attempt, as with net.Dialer
		"host crash": {func(sim *simtest.Sim, _ func()) { sim.Host("a").Crash() }, syscall.ENETDOWN},
	} {
		t.Run(name, func(t *testing.T) {
			simtest.Config{KeepEvents: 100}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				link := netem.Link{Latency: time.Second}
				sim.SetProfile("a", "b", netem.Profile{Up: link, Down: link})
				_, err := sim.Host("b").Listen("tcp6", ":1")
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				sim.At(2500*ms, func() { test.end(sim, cancel) })
				_, err = sim.Host("a").DialContext(ctx, "tcp", "b:1")
				assert.ErrorIs(t, err, test.want)
				assert.Equal(t, 2500*ms, sim.Elapsed())
				time.Sleep(time.Hour)
				for _, e := range sim.Trace().Events() {
					assert.NotContains(t, []trace.Kind{trace.Connect, trace.Accept}, e.Kind)
				}
			})
		})
	}
}

// Dials that begin at one instant, and try their second addresses, do not race.
func TestOrderOfSecondAttempts(t *testing.T) {
	repeats(t, 30, func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		link := netem.Link{Latency: 150 * ms} // whose answers come when the second attempts begin
		for _, name := range []string{"b", "c", "d", "e"} {
			_, err := sim.Host(name).Listen("tcp6", ":1")
			require.NoError(t, err)
			sim.SetProfile("a", name, netem.Profile{Up: link, Down: link})
			go func() {
				time.Sleep(time.Second)
				conn, err := sim.Host("a").DialContext(context.Background(), "tcp", name+":1")
				if assert.NoError(t, err) {
					note("%s from %s at %v", name, conn.LocalAddr(), sim.Elapsed())
					_, _ = io.WriteString(conn, name)
				}
			}()
		}
		time.Sleep(3 * time.Second)
	})
}

// Names are compared without regard to case, and may have a dot at the end.
func TestNamesWithoutRegardToCase(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		poet, reader := sim.Host("Poet"), sim.Host("reader")
		assert.Equal(t, "Poet", poet.Name())
		assert.PanicsWithValue(t, `simtest: host "POET" would have the same name as host "Poet": names are compared without regard to case`, func() { sim.Host("POET") })
		assert.Panics(t, func() { sim.Host("LocalHost") })
		for i, name := range []string{"poet", "POET.", "Poet", "localhost", "LOCALHOST."} {
			listener, err := poet.Listen("tcp", fmt.Sprint(name, ":", 1+i))
			require.NoError(t, err, name)
			_ = listener.Close()
		}
		_, err := poet.Listen("tcp", ":80")
		require.NoError(t, err)
		for _, name := range []string{"poet", "POET.", "Poet", "10.0.0.1"} {
			conn, err := reader.Dial("tcp", name+":http")
			require.NoError(t, err, name)
			assert.Equal(t, "10.0.0.1:80", conn.RemoteAddr().String())
		}
		sim.SetName("WWW", simtest.Name{Host: "Poet"})
		cname, err := reader.Resolver().LookupCNAME(t.Context(), "www")
		require.NoError(t, err)
		assert.Equal(t, "Poet.", cname)
		sim.SetName("www", simtest.Name{Err: errors.New("broken")})
		_, err = reader.Resolver().LookupTXT(t.Context(), "Www")
		assert.ErrorContains(t, err, "lookup Www: broken")
		sim.SetName("www", simtest.Name{})
		_, err = reader.Dial("tcp", "www:80")
		assert.ErrorContains(t, err, "no such host")
	})
}
