package simtest_test

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// While a goroutine waits for a Locker, time advances, and its holder may wait
// for the network. The goroutine that has waited longest is next.
func TestLockerLetsTimeGoOn(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 50 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		sim.Host("server").Run(func(context.Context) error {
			conn, err := listener.Accept()
			if err == nil {
				_, err = io.Copy(conn, conn)
			}
			return err
		})
		conn, err := sim.Host("client").Dial("tcp", "server:1")
		require.NoError(t, err)
		var lock simtest.Locker
		var order []int
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * ms)
				lock.Lock()
				defer lock.Unlock()
				_, err := conn.Write([]byte{byte(i)})
				assert.NoError(t, err)
				_, err = io.ReadFull(conn, make([]byte, 1))
				assert.NoError(t, err)
				order = append(order, i)
			})
		}
		all.Wait()
		assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
		assert.Equal(t, 5*100*ms, sim.Elapsed()-100*ms)
		require.NoError(t, conn.Close())
	})
}

// A Locker provides mutual exclusion, also outside of simulations, and works with a
// sync.Cond.
func TestLockerExcludes(t *testing.T) {
	var lock simtest.Locker
	var inside atomic.Int32
	var all sync.WaitGroup
	turns := 0
	for range 10 {
		all.Go(func() {
			for range 1000 {
				lock.Lock()
				assert.Equal(t, int32(1), inside.Add(1))
				turns++
				inside.Add(-1)
				lock.Unlock()
			}
		})
	}
	all.Wait()
	assert.Equal(t, 10*1000, turns)

	cond := sync.NewCond(&lock)
	go func() {
		lock.Lock()
		defer lock.Unlock()
		turns = 0
		cond.Broadcast()
	}()
	lock.Lock()
	for turns > 0 {
		cond.Wait()
	}
	assert.False(t, lock.TryLock())
	lock.Unlock()
	assert.True(t, lock.TryLock())
	lock.Unlock()
	assert.PanicsWithValue(t, "simtest: Unlock of a Locker that is not locked", lock.Unlock)
}
