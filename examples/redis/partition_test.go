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

// timeout is TCP's retransmission timeout, srtt + max(200 ms, 4 rttvar), after HELLO
// and PING. After the first round trip, rttvar is half of that round trip. Each round
// trip without deviation reduces the mean deviation by a quarter, and Linux lets rttvar
// follow by a quarter once a round trip: 4 rttvar is 400 - (400 - 225) / 4 ms.
const timeout = roundTrip + 356250*time.Microsecond

// retransmission returns the time after which TCP retransmits an unacknowledged segment
// for the nth time. The retransmission timer waits for the timeout, and then twice as
// long each time. The first retransmission is a tail loss probe, after which the
// timeout begins.
func retransmission(n int) time.Duration { return timeout << (n - 1) }

// A partition shorter than the client's timeout only costs time. The pipeline fills
// two segments. Of several segments, the last is retransmitted after 2 srtt + 2 ms, as
// a tail loss probe. The timer is counted from then, and the first segment is
// retransmitted when it expires. The second timer expires after the partition. A
// timeout leaves a window of one segment, so the other segment follows a round trip
// later.
func TestPartitionThatHeals(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := newClient(t, sim)
		require.NoError(t, client.Ping(t.Context()).Err())

		const probe = 2*roundTrip + 2*time.Millisecond

		partition(sim)
		sim.At(sim.Elapsed()+time.Second, func() { sim.Heal() })
		assert.Equal(t, probe+timeout+2*timeout+2*roundTrip, timed(func() { // 2.5 s
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

// A client reads for three seconds and then considers the connection broken. The next
// command tries to connect, at once and each second after that: the fourth attempt is
// the first after the partition.
func TestPartitionAndReadTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := newClient(t, sim, func(o *redis.Options) { o.ReadTimeout = 3 * time.Second })
		require.NoError(t, client.Set(t.Context(), "poem", "If", 0).Err())

		partition(sim)
		assert.Equal(t, 3*time.Second, timed(func() {
			assert.ErrorContains(t, client.Get(t.Context(), "poem").Err(), "i/o timeout")
		}))
		sim.At(sim.Elapsed()+2500*time.Millisecond, func() { sim.Heal() })
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

// A client that cannot connect gives up after five seconds, and retries every
// tenth of a second, five times in all.
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

// A client that retries failures makes a counter count twice: the first command
// was lost in a partition, but TCP still delivers it.
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
		sim.At(start+5500*time.Millisecond, func() { sim.Heal() })
		assert.NoError(t, client.Incr(t.Context(), "count").Err())
		// The second attempt begins after three seconds, and connects three
		// seconds later.
		assert.Equal(t, 3*time.Second+3*time.Second+connecting+roundTrip, sim.Elapsed()-start)

		time.Sleep(time.Minute)
		count, err := client.Get(t.Context(), "count").Int()
		assert.NoError(t, err)
		assert.Equal(t, 2, count)
		assert.Equal(t, []time.Duration{
			start + 6*time.Second + connecting + oneWay,
			start + retransmission(5) + oneWay, // 8.9 s: the first attempt
		}, store.when("INCR"))
	})
}
