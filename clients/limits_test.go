package clients_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/testnet"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A server that sends a byte a minute never stalls. MaxTime ends it, with
// either client, and the bytes that arrived are not lost.
func TestByteAMinute(t *testing.T) {
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				listener, err := sim.Host("poet").Listen("tcp", ":1")
				require.NoError(t, err)
				go drip(listener, time.Minute)
				client := &clients.Client{Dial: sim.Host("reader").DialContext, Timeout: 2 * time.Minute, MaxTime: 9*time.Minute + time.Second}
				start := time.Now()
				poem, err := modes[i].one(client, t.Context(), "poet:1")
				assert.Equal(t, &clients.TooSlowError{MaxTime: client.MaxTime}, err)
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				assert.EqualError(t, err, "too slow: incomplete after 9m1s")
				assert.Equal(t, "..........", string(poem), "the part that arrived is not lost")
				assert.Equal(t, client.MaxTime, time.Since(start))
			})
		})
	}
}

// drip accepts connections and sends a byte on each at regular intervals.
func drip(listener net.Listener, wait time.Duration) {
	testnet.Serve(listener, func(conn net.Conn) {
		for {
			if _, err := conn.Write([]byte(".")); err != nil {
				return
			}
			time.Sleep(wait)
		}
	})
}

// MaxTime limits each of several poems: a quick one arrives, and the task after
// a slow one has its own time.
func TestMaxTimeLimitsEachTask(t *testing.T) {
	t.Parallel()
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		slow := poet(t, n, "slow", netem.Pace{Bytes: 1, Wait: time.Hour})
		quick := poet(t, n, "quick", netem.Pace{Bytes: 1, Wait: ms})
		client := &clients.Client{Dial: n.Dial, MaxTime: 300 * ms}
		results := modes[mode].get(client, t.Context(), []string{quick, slow, quick, slow})
		for i, result := range results {
			if i%2 == 0 {
				assert.NoError(t, result.Err)
				assert.Equal(t, "quick", string(result.Poem))
				n.AssertTook(t, 5*ms, result.Elapsed)
				continue
			}
			assert.Equal(t, &clients.TooSlowError{MaxTime: 300 * ms}, result.Err)
			n.AssertTook(t, 300*ms, result.Elapsed)
		}
	})
}

// Connecting is part of the time of a poem.
func TestMaxTimeCountsConnecting(t *testing.T) {
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				listener, err := sim.Host("poet").Listen("tcp", ":1")
				require.NoError(t, err)
				go drip(listener, time.Second)
				slowly := func(ctx context.Context, network, address string) (net.Conn, error) {
					time.Sleep(3 * time.Second)
					return sim.Host("reader").DialContext(ctx, network, address)
				}
				for _, c := range []struct {
					dial             func(ctx context.Context, network, address string) (net.Conn, error)
					timeout, maxTime time.Duration
					poem             string
					want             error
					took             time.Duration
				}{
					{slowly, 0, 5500 * ms, "...", &clients.TooSlowError{MaxTime: 5500 * ms}, 5500 * ms},
					{blackhole, 0, 5 * time.Second, "", &clients.TooSlowError{MaxTime: 5 * time.Second}, 5 * time.Second},
					{blackhole, -1, 5 * time.Second, "", &clients.TooSlowError{MaxTime: 5 * time.Second}, 5 * time.Second},
					{blackhole, 4 * time.Second, 5 * time.Second, "", &clients.StallError{Timeout: 4 * time.Second}, 4 * time.Second},
					{blackhole, 4 * time.Second, -1, "", &clients.StallError{Timeout: 4 * time.Second}, 4 * time.Second},
				} {
					start := time.Now()
					poem, err := modes[i].one(&clients.Client{Dial: c.dial, Timeout: c.timeout, MaxTime: c.maxTime}, t.Context(), "poet:1")
					assert.Equal(t, c.want, err)
					assert.Equal(t, c.poem, string(poem))
					assert.Equal(t, c.took, time.Since(start))
				}
			})
		})
	}
}

// An observer can take longer than the timeout, for example if nobody reads its output.
// Bytes that arrive meanwhile are not late.
func TestSlowObserver(t *testing.T) {
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				listener, err := sim.Host("poet").Listen("tcp", ":1")
				require.NoError(t, err)
				go testnet.Serve(listener, func(conn net.Conn) {
					for _, line := range []string{"one ", "two"} {
						_, _ = io.WriteString(conn, line)
						time.Sleep(time.Second)
					}
				})
				client := &clients.Client{Dial: sim.Host("reader").DialContext, Timeout: 10 * time.Second}
				client.Observer = func(e clients.TaskEvent) {
					if e.Kind == clients.Piece {
						time.Sleep(time.Minute)
					}
				}
				for _, result := range modes[i].get(client, t.Context(), repeat("poet:1", 3)) {
					require.NoError(t, result.Err)
					assert.Equal(t, "one two", string(result.Poem))
				}
			})
		})
	}
}

// The last event of a task contains the whole poem, or the part that has arrived.
func TestObserverGetsThePoem(t *testing.T) {
	eachClient(t, func(t *testing.T, n *testnet.Net, mode int) {
		told, half := map[int]string{}, newHalfPoem()
		client := &clients.Client{Dial: n.Dial, Observer: func(e clients.TaskEvent) {
			if e.Kind == clients.Arrived || e.Kind == clients.Failed {
				told[e.Task] = string(e.Poem)
			}
			if e.Task == 2 {
				half.observe(e)
			}
		}}
		modes[mode].get(client, t.Context(), []string{poet(t, n, "a poem", netem.Pace{Bytes: 2}), rude(t, n, half.treat)})
		assert.Equal(t, map[int]string{1: "a poem", 2: "half"}, told)
	})
}

// The steps of a task are reported in order, the connection after a round trip. If the
// connection is refused, only the failure is reported.
func TestObserverSeesTheConnection(t *testing.T) {
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			config := simtest.Config{Link: netem.Link{Latency: 50 * ms}}
			config.Run(t, func(t *testing.T, sim *simtest.Sim) {
				listener, err := sim.Host("poet").Listen("tcp", ":1")
				require.NoError(t, err)
				serve(t, listener, &poetryserver.Server{Poem: []byte("poem"), Pace: netem.Pace{Bytes: 2, Wait: 10 * ms}})
				told := map[int][]string{}
				client := &clients.Client{Dial: sim.Host("reader").DialContext, Observer: func(e clients.TaskEvent) {
					told[e.Task] = append(told[e.Task], fmt.Sprint(e.Kind, e.Bytes, e.Elapsed))
				}}
				modes[i].get(client, t.Context(), []string{"poet:1", "poet:2"})
				assert.Equal(t, []string{
					fmt.Sprint(clients.Started, 0, 0*ms), fmt.Sprint(clients.Connected, 0, 100*ms),
					fmt.Sprint(clients.Piece, 2, 200*ms), fmt.Sprint(clients.Piece, 2, 210*ms), fmt.Sprint(clients.Arrived, 4, 220*ms),
				}, told[1])
				assert.Equal(t, []string{fmt.Sprint(clients.Started, 0, 0*ms), fmt.Sprint(clients.Failed, 0, 100*ms)}, told[2])
			})
		})
	}
}

// descriptors are the file descriptors of a process.
type descriptors struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	left  atomic.Int64
	dials atomic.Int64
}

func (d *descriptors) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.dials.Add(1)
	if d.left.Add(-1) < 0 {
		d.left.Add(1)
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		d.left.Add(1)
		return nil, err
	}
	return &counted{Conn: conn, close: func() { d.left.Add(1) }}, nil
}

// A counted is a connection that gives its descriptor back when it is closed.
type counted struct {
	net.Conn
	close func()
}

func (c *counted) Close() error {
	c.close()
	return c.Conn.Close()
}

// If file descriptors run out, tasks wait until others are done. No task fails, the time of
// the wait counts neither for Timeout nor for MaxTime, and the wait is reported once.
func TestOutOfDescriptors(t *testing.T) {
	for _, hosts := range []int{1, 100} {
		t.Run(fmt.Sprint(hosts), func(t *testing.T) {
			simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
				var addresses []string
				for i := range hosts {
					name := fmt.Sprint("poet", i)
					listener, err := sim.Host(name).Listen("tcp", ":1")
					require.NoError(t, err)
					go drop(listener)
					addresses = append(addresses, name+":1")
				}
				for i := hosts; i < 300; i++ {
					addresses = append(addresses, addresses[i%hosts])
				}
				var waits int
				limited := &descriptors{dial: sim.Host("reader").DialContext}
				limited.left.Store(40)
				client := &clients.Client{Dial: limited.DialContext, Timeout: 12 * time.Second, MaxTime: 15 * time.Second}
				client.Observer = func(e clients.TaskEvent) {
					if e.Kind == clients.Waiting {
						waits++
						assert.ErrorIs(t, e.Err, syscall.EMFILE)
					}
				}
				start := time.Now()
				for i, result := range client.GetAllAsync(t.Context(), addresses) {
					require.NoError(t, result.Err, i)
					require.Equal(t, "poem", string(result.Poem))
				}
				assert.Equal(t, 1, waits)
				// 300 poems of 10 s each, 36 to 40 of them at once.
				assert.Equal(t, 80*time.Second, time.Since(start).Truncate(10*time.Second))
				assert.EqualValues(t, 40, limited.left.Load())
				assert.Less(t, limited.dials.Load(), int64(1000), "dials are not retried endlessly")
			})
		})
	}
}

// drop accepts connections and sends a poem on each after ten seconds.
func drop(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			time.Sleep(10 * time.Second)
			_, _ = io.WriteString(conn, "poem")
			_ = conn.Close()
		}()
	}
}

// If no task holds a file descriptor, a lack of descriptors is an error.
func TestNoDescriptorsAtAll(t *testing.T) {
	limited := &descriptors{}
	results := (&clients.Client{Dial: limited.DialContext}).GetAllAsync(t.Context(), strings.Fields("a:1 b:1 b:1 c:1"))
	for _, result := range results {
		assert.ErrorIs(t, result.Err, syscall.EMFILE)
	}
}
