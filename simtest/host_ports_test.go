package simtest_test

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// fewPorts limits hosts to a part of their ports, except in the nightly tests, and
// returns their number.
func fewPorts(t *testing.T) int {
	if tier.Long() {
		return 60999 - 32768 + 1
	}
	const few = 4200 // more than fill the backlog of a listener
	t.Cleanup(simtest.SetPorts(few))
	return few
}

// A dial that fails releases its port: such dials use up all ports of a host, which can
// be used again.
func TestPortsOfDialsThatFail(t *testing.T) {
	ports := fewPorts(t)
	for name, test := range map[string]struct {
		remote  string
		timeout time.Duration
		want    error
	}{
		"refused":                   {"b:2", time.Hour, syscall.ECONNREFUSED},
		"canceled under way":        {"b:1", 1500 * ms, context.DeadlineExceeded},
		"canceled while it is full": {"full:1", 2500 * ms, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				for _, host := range []string{"b", "full"} {
					_, err := sim.Host(host).Listen("tcp", ":1")
					require.NoError(t, err)
				}
				for range 4096 {
					_, err := sim.Host("c").DialContext(t.Context(), "tcp", "full:1")
					require.NoError(t, err)
				}
				a := sim.Host("a")
				sim.SetLink("a", "b", netem.Link{Latency: time.Second})
				sim.SetLink("b", "a", netem.Link{Latency: time.Second})
				dialAll := func() {
					ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
					defer cancel()
					var dials sync.WaitGroup
					for range ports {
						dials.Go(func() {
							_, err := a.DialContext(ctx, "tcp", test.remote)
							assert.ErrorIs(t, err, test.want)
						})
					}
					dials.Wait()
				}
				dialAll()
				time.Sleep(time.Hour)
				if !t.Failed() {
					ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
					defer cancel()
					_, err := a.DialContext(ctx, "tcp", test.remote)
					assert.ErrorIs(t, err, test.want)
				}
			})
		})
	}
}

// A dial does not get the port of a listener on the host.
func TestPortOfAListener(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		_, err = sim.Host("a").Listen("tcp", ":32768")
		require.NoError(t, err)
		conn, err := sim.Host("a").DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		assert.Equal(t, 32769, conn.LocalAddr().(*net.TCPAddr).Port)
	})
}

// A listener does not get the port of a connection on the host.
func TestPortOfAConnection(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a := sim.Host("a")
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		conn, err := a.DialContext(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		port := conn.LocalAddr().(*net.TCPAddr).Port
		for range 3 {
			l, err := a.Listen("tcp", ":0")
			require.NoError(t, err)
			assert.NotEqual(t, port, l.Addr().(*net.TCPAddr).Port)
		}
		_, err = a.Listen("tcp", conn.LocalAddr().String())
		assert.ErrorIs(t, err, syscall.EADDRINUSE)
		require.NoError(t, conn.Close())
		_, err = a.Listen("tcp", conn.LocalAddr().String())
		assert.NoError(t, err)
	})
}

// bindMany makes a host call open count times, and returns the time that this takes.
func bindMany(t *testing.T, count int, open func(h *simtest.Host) error) time.Duration {
	t.Helper()
	start := time.Now()
	simtest.Config{KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		go func() {
			for err == nil {
				_, err = listener.Accept()
			}
		}()
		for range count {
			require.NoError(t, open(sim.Host("a")))
		}
	})
	return time.Since(start)
}

// Opening something on a host does not search everything open there: opening sixteen
// times as many takes about sixteen times as long, not 256 times.
func TestOpeningIsNotSlowerWithManyOpen(t *testing.T) {
	dial := func(h *simtest.Host) error {
		_, err := h.Dial("tcp", "b:1")
		return err
	}
	for name, open := range map[string]func(h *simtest.Host) error{
		"sockets": func(h *simtest.Host) error {
			_, err := h.ListenPacket("udp", ":0")
			return err
		},
		"sockets that are connected": func(h *simtest.Host) error {
			_, err := h.Dial("udp", "b:1")
			return err
		},
		"listeners": func(h *simtest.Host) error {
			_, err := h.Listen("tcp", ":0")
			return err
		},
		"listeners and connections": func(h *simtest.Host) error {
			if err := dial(h); err != nil {
				return err
			}
			_, err := h.Listen("tcp", ":0")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			few, many := time.Hour, time.Hour
			for attempt := 0; attempt == 0 || attempt < 10 && many >= 80*few; attempt++ { // the machine may be busy
				few = min(few, max(time.Millisecond, bindMany(t, 500, open)))
				many = min(many, bindMany(t, 8000, open))
			}
			assert.Less(t, many, 80*few)
		})
	}
}
