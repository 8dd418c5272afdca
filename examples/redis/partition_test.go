package redis

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// partition cuts the two hosts off from each other.
func partition(sim *simtest.Sim) { sim.Partition([]string{"client"}, []string{"server"}) }

// retransmission is how long after a first attempt TCP makes the nth to send
// something that is lost. It waits a round trip, which it has measured, then
// twice as long, and so on.
func retransmission(n int) time.Duration { return (1<<n - 1) * roundTrip }

// A partition that is shorter than the client's patience costs time, and
// nothing else.
func TestPartitionThatHeals(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := newClient(t, sim)
		require.NoError(t, client.Ping(t.Context()).Err())

		partition(sim)
		sim.At(sim.Elapsed()+time.Second, func() { sim.Heal() })
		assert.Equal(t, retransmission(3)+roundTrip, timed(func() { // 1.4 s
			_, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
				for range 100 {
					pipe.Incr(t.Context(), "count")
				}
				return nil
			})
			assert.NoError(t, err)
		}))
		count, err := client.Get(t.Context(), "count").Int()
		assert.NoError(t, err)
		assert.Equal(t, 100, count)
	})
}

// A client reads for three seconds and then takes the connection for broken.
// The next command connects, which it tries at once, after 1 s and after 3 s:
// that is the first time after the partition.
func TestPartitionAndReadTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := newClient(t, sim, func(o *redis.Options) { o.ReadTimeout = 3 * time.Second })
		require.NoError(t, client.Set(t.Context(), "poem", "If", 0).Err())

		partition(sim)
		assert.Equal(t, 3*time.Second, timed(func() {
			assert.ErrorContains(t, client.Get(t.Context(), "poem").Err(), "i/o timeout")
		}))
		sim.At(sim.Elapsed()+2*time.Second, func() { sim.Heal() })
		assert.Equal(t, 3*time.Second+connecting+roundTrip, timed(func() {
			value, err := client.Get(t.Context(), "poem").Result()
			assert.NoError(t, err)
			assert.Equal(t, "If", value)
		}))
		assert.Equal(t, roundTrip, timed(func() {
			assert.NoError(t, client.Ping(t.Context()).Err())
		}))
	})
}

// A client that cannot connect gives up after five seconds, and tries again
// every tenth of a second, five times in all.
func TestPartitionWhileConnecting(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := newClient(t, sim, func(o *redis.Options) {
			o.DialTimeout = 5 * time.Second
			o.DialerRetries = 5
			o.DialerRetryTimeout = 100 * time.Millisecond
		})
		partition(sim)
		assert.Equal(t, 5*5*time.Second+4*100*time.Millisecond, timed(func() {
			assert.Error(t, client.Ping(t.Context()).Err())
		}))
	})
}

// A client that repeats what fails makes a counter count twice: the first
// command was lost in a partition, but TCP does not forget it.
func TestPartitionAndRetry(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		store := serve(t, sim)
		client := newClient(t, sim, func(o *redis.Options) {
			o.ReadTimeout = 3 * time.Second
			o.MaxRetries = 1
			o.MinRetryBackoff, o.MaxRetryBackoff = -1, -1 // at once, not after a random time
		})
		require.NoError(t, client.Ping(t.Context()).Err())

		partition(sim)
		start := sim.Elapsed()
		sim.At(start+5*time.Second, func() { sim.Heal() })
		assert.NoError(t, client.Incr(t.Context(), "count").Err())
		// The second attempt begins after three seconds, and connects three
		// seconds later.
		assert.Equal(t, 3*time.Second+3*time.Second+connecting+roundTrip, sim.Elapsed()-start)

		time.Sleep(time.Minute)
		count, err := client.Get(t.Context(), "count").Int()
		assert.NoError(t, err)
		assert.Equal(t, 2, count)
		assert.Equal(t, []time.Duration{
			start + retransmission(5) + oneWay, // 6.2 s: the first attempt
			start + 6*time.Second + connecting + oneWay,
		}, store.when("INCR"))
	})
}
