package simtest_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A lateContext is done after the given number of calls of its Err.
type lateContext struct {
	context.Context
	left atomic.Int32
	done chan struct{}
}

func newLateContext(asked int) *lateContext {
	c := &lateContext{Context: context.Background(), done: make(chan struct{})}
	c.left.Store(int32(asked))
	return c
}

func (c *lateContext) Done() <-chan struct{} { return c.done }

func (c *lateContext) Err() error {
	switch left := c.left.Add(-1); {
	case left >= 0:
		return nil
	case left == -1:
		close(c.done)
	}
	return context.Canceled
}

// Whenever a dial's context ends, the error says so.
func TestDialWhoseContextEndsMeanwhile(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		host := sim.Host("a")
		for _, target := range []string{"tcp b:1", "tcp b:2", "tcp 10.0.0.1:1", "tcp nobody:1", "udp b:1", "udp nobody:1", "tcp5 b:1"} {
			network, address, _ := strings.Cut(target, " ")
			for asked := range 6 {
				conn, err := host.DialContext(newLateContext(asked), network, address)
				if conn != nil {
					assert.NoError(t, err)
					_ = conn.Close()
					continue
				}
				var dial *net.OpError
				require.ErrorAs(t, err, &dial, "%s, asked %d times", target, asked)
				require.Error(t, dial.Err, "%s, asked %d times", target, asked)
				assert.NotEmpty(t, err.Error())
			}
		}
		for asked := range 6 {
			addrs, err := host.Resolver().LookupHost(newLateContext(asked), "b")
			if err != nil {
				assert.ErrorIs(t, err, context.Canceled)
			} else {
				assert.Len(t, addrs, 2)
			}
		}
	})
}

// A dial after the end of the simulation fails like all other calls then, also on a host
// that has dialled before.
func TestDialAfterTheEnd(t *testing.T) {
	var ended *simtest.Sim
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		ended = sim
		sim.Host("server")
		_, err := sim.Host("client").Dial("tcp", "server:1")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
	for _, address := range []string{"server:1", "10.0.0.1:1", "nobody:1"} {
		for _, network := range []string{"tcp", "udp"} {
			conn, err := ended.Host("client").Dial(network, address)
			assert.ErrorIs(t, err, net.ErrClosed, "%s %s", network, address)
			assert.Nil(t, conn)
		}
	}
}
