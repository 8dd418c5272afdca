package simtest_test

import (
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const latency = 50 * ms

// overTCP runs a simulation over TCP, with links of 50 ms.
func overTCP(t *testing.T, config simtest.Config, f func(t *testing.T, sim *simtest.Sim)) {
	t.Helper()
	if config.Link == (netem.Link{}) {
		config.Link.Latency = latency
	}
	config.KeepPools = true
	config.Run(t, f)
}

// readError returns the time and the error of a read.
func readError(t *testing.T, sim *simtest.Sim, c net.Conn) (time.Duration, error) {
	t.Helper()
	n, err := c.Read(make([]byte, 10))
	assert.Zero(t, n)
	return sim.Elapsed(), err
}

// timeToNotice cuts off a, to which b has sent a byte, and returns the time until a
// reader learns that its peer is gone.
func timeToNotice(t *testing.T, sim *simtest.Sim, client, server net.Conn) time.Duration {
	t.Helper()
	write1(t, server, 'x')
	read1(t, client, 'x')
	heard := sim.Elapsed()
	sim.Partition([]string{"a"})
	at, err := readError(t, sim, client)
	require.ErrorIs(t, err, syscall.ETIMEDOUT)
	return at - heard
}

// A reader whose peer has vanished learns of it after 15 s and nine probes, even after
// many successful probes: here a month after the last data.
func TestSilentReaderLearnsThatItsPeerIsGone(t *testing.T) {
	for name, vanish := range map[string]func(sim *simtest.Sim){
		"crash":     func(sim *simtest.Sim) { sim.Host("b").Crash() },
		"partition": func(sim *simtest.Sim) { sim.Partition([]string{"a"}) },
		"one way":   func(sim *simtest.Sim) { sim.PartitionOneWay([]string{"b"}, []string{"a"}) },
		"blackhole": func(sim *simtest.Sim) { sim.Blackhole("a"); sim.Blackhole("b") },
		"hold":      func(sim *simtest.Sim) { sim.Hold("a", "b") },
		"pause":     func(sim *simtest.Sim) { sim.Host("b").Pause() },
		"link": func(sim *simtest.Sim) {
			sim.SetProfile("a", "b", netem.Symmetric(netem.Link{Loss: netem.Loss{Random: 1}}))
		},
		"MTU black hole": func(sim *simtest.Sim) {
			sim.SetProfile("a", "b", netem.Symmetric(netem.Link{MTU: netem.HeaderSize - 1, DropOversize: true}))
		},
		"MTU black hole at an access": func(sim *simtest.Sim) {
			sim.Host("b").SetAccess(netem.Symmetric(netem.Link{MTU: netem.HeaderSize - 1, DropOversize: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			overTCP(t, simtest.Config{TimeLimit: -1}, func(t *testing.T, sim *simtest.Sim) {
				client, _ := connected(t, sim)
				const month = 30 * 24 * time.Hour
				time.Sleep(month)
				gone := sim.Elapsed()
				vanish(sim)
				at, err := readError(t, sim, client)
				require.ErrorIs(t, err, syscall.ETIMEDOUT)
				assert.LessOrEqual(t, at-gone, 150*time.Second)
				assert.Greater(t, at-gone, 135*time.Second-4*latency)
			})
		})
	}
}

// The time is exact if the time of the last arrival is known.
func TestKeepAliveCountsFromTheLastSegment(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		assert.Equal(t, 150*time.Second, timeToNotice(t, sim, client, server))
	})
}

// Probes of a healthy connection are not events: a year costs nothing, and the trace is
// empty.
func TestHealthyIdleConnectionsCostNothing(t *testing.T) {
	overTCP(t, simtest.Config{TimeLimit: -1}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		time.Sleep(time.Second)
		before := sim.Trace().Len()
		for range 5 {
			time.Sleep(365 * 24 * time.Hour)
		}
		assert.Equal(t, before, sim.Trace().Len())
		write1(t, client, 'x')
		read1(t, server, 'x')
	})
}

// SetKeepAlive and similar methods change the time after which a peer is given up, as on a
// *net.TCPConn.
func TestSetKeepAlive(t *testing.T) {
	type keeper interface {
		SetKeepAlive(keepAlive bool) error
		SetKeepAlivePeriod(d time.Duration) error
		SetKeepAliveConfig(config net.KeepAliveConfig) error
	}
	for name, test := range map[string]struct {
		set  func(c keeper) error
		want time.Duration // 0 is never
	}{
		"off":    {func(c keeper) error { return c.SetKeepAlive(false) }, 0},
		"on":     {func(c keeper) error { return c.SetKeepAlive(true) }, 150 * time.Second},
		"period": {func(c keeper) error { return c.SetKeepAlivePeriod(time.Minute) }, 60*time.Second + 9*15*time.Second},
		"config": {func(c keeper) error {
			return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 3})
		}, 8 * time.Second},
		"disabled": {func(c keeper) error { return c.SetKeepAliveConfig(net.KeepAliveConfig{}) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
				client, server := connected(t, sim)
				require.NoError(t, test.set(client.(keeper)))
				write1(t, server, 'x')
				read1(t, client, 'x')
				heard := sim.Elapsed()
				sim.Host("b").Crash()
				require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Hour)))
				at, err := readError(t, sim, client)
				if test.want == 0 {
					assert.Equal(t, time.Hour, at-heard)
					return
				}
				require.ErrorIs(t, err, syscall.ETIMEDOUT)
				assert.Equal(t, test.want, at-heard)
			})
		})
	}
}

// With a user timeout, the peer is given up at the first probe after the timeout.
func TestUserTimeout(t *testing.T) {
	overTCP(t, simtest.Config{TCP: netem.TCP{UserTimeout: 10 * time.Second}}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		write1(t, server, 'x')
		read1(t, client, 'x')
		heard := sim.Elapsed()
		sim.Host("b").Crash()
		at, err := readError(t, sim, client)
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 30*time.Second, at-heard)
	})
}

// A host that was restarted knows nothing of its connections: the next probe of an idle
// peer is answered with a reset.
func TestProbeOfARestartedHostIsReset(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		write1(t, server, 'x')
		read1(t, client, 'x')
		heard := sim.Elapsed()
		time.Sleep(time.Second) // its acknowledgement has arrived
		sim.Host("b").Restart()
		at, err := readError(t, sim, client)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, 15*time.Second+2*latency, at-heard)
	})
}

// Probes detect a crash even if the peer had closed its end before.
func TestProbesOfAClosedPeer(t *testing.T) {
	var ended time.Duration
	config := simtest.Config{Trace: func(e trace.Event) {
		if e.Kind == trace.Reset && e.To == "a" {
			ended = e.At
		}
	}}
	overTCP(t, config, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		require.NoError(t, server.Close())
		_, err := readError(t, sim, client)
		require.Equal(t, io.EOF, err)
		time.Sleep(time.Hour)
		sim.Host("b").Crash()
		time.Sleep(time.Hour)
		_, err = client.Write([]byte("x"))
		require.Error(t, err)
	})
	assert.InDelta(t, 3600+142, ended.Seconds(), 10)
}

// A paused host has not received a reset: its programs can end their stream as before.
func TestCloseWriteOnAPausedHost(t *testing.T) {
	overTCP(t, simtest.Config{}, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		sim.Host("a").Pause()
		sim.ResetConn(server)
		require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite())
		_, err := client.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EPIPE)
	})
}

// The longest durations become Linux's longest periods, and have no other effects.
func TestKeepAliveOfTheLongestPeriods(t *testing.T) {
	const longest = 32_767 * time.Second
	for name, test := range map[string]struct {
		keepAlive netem.KeepAlive
		want      time.Duration
	}{
		"idle":     {netem.KeepAlive{Idle: math.MaxInt64}, longest + 9*15*time.Second},
		"interval": {netem.KeepAlive{Interval: math.MaxInt64, Count: 2}, 15*time.Second + 2*longest},
		"both":     {netem.KeepAlive{Idle: math.MaxInt64, Interval: math.MaxInt64, Count: 1}, 2 * longest},
		"negative": {netem.KeepAlive{Interval: -1, Count: -1}, 150 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			config := simtest.Config{TimeLimit: -1, TCP: netem.TCP{KeepAlive: test.keepAlive}}
			config.Link = netem.Link{Latency: latency, Loss: netem.Loss{Random: 1e-9}} // probes are events
			overTCP(t, config, func(t *testing.T, sim *simtest.Sim) {
				client, server := connected(t, sim)
				time.Sleep(time.Second)
				assert.Equal(t, test.want, timeToNotice(t, sim, client, server))
			})
		})
	}
	t.Run("healthy", func(t *testing.T) {
		config := simtest.Config{TimeLimit: -1, TCP: netem.TCP{KeepAlive: netem.KeepAlive{Interval: math.MaxInt64}}}
		config.Link = netem.Link{Latency: latency, Loss: netem.Loss{Random: 1e-9}}
		overTCP(t, config, func(t *testing.T, sim *simtest.Sim) {
			client, _ := connected(t, sim)
			require.NoError(t, client.SetReadDeadline(time.Now().Add(48*time.Hour)))
			_, err := readError(t, sim, client)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	})
	t.Run("set", func(t *testing.T) {
		overTCP(t, simtest.Config{TimeLimit: -1}, func(t *testing.T, sim *simtest.Sim) {
			client, server := connected(t, sim)
			config := net.KeepAliveConfig{Enable: true, Interval: math.MaxInt64, Count: 1}
			require.NoError(t, client.(interface {
				SetKeepAliveConfig(config net.KeepAliveConfig) error
			}).SetKeepAliveConfig(config))
			assert.Equal(t, 15*time.Second+longest, timeToNotice(t, sim, client, server))
		})
	})
}

// A reader on a lossy link without earlier faults also learns that its peer is gone.
func TestSilentReaderOnALossyLink(t *testing.T) {
	config := simtest.Config{Link: netem.Link{Latency: latency, Loss: netem.Loss{Random: 0.001}}}
	overTCP(t, config, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		time.Sleep(2 * time.Second) // no timer is left of the handshake
		write1(t, server, 'x')
		read1(t, client, 'x')
		heard := sim.Elapsed()
		time.Sleep(2 * time.Second)
		sim.Partition([]string{"a"})
		at, err := readError(t, sim, client)
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 150*time.Second, at-heard)
	})
}

// The user timeout limits a dial, too.
func TestUserTimeoutOfADial(t *testing.T) {
	overTCP(t, simtest.Config{TCP: netem.TCP{UserTimeout: 10 * time.Second}}, func(t *testing.T, sim *simtest.Sim) {
		a, _ := sim.Host("a"), sim.Host("b")
		sim.Partition([]string{"b"})
		_, err := a.DialContext(t.Context(), "tcp", "b:1")
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		assert.Equal(t, 10*time.Second, sim.Elapsed())
	})
}
