package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The first command connects; each command costs a round trip.
func TestRoundTrips(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := newClient(t, sim)
		assert.Equal(t, connecting+roundTrip, timed(func() {
			assert.NoError(t, client.Set(t.Context(), "poem", "If", 0).Err())
		}))
		assert.Equal(t, roundTrip, timed(func() {
			value, err := client.Get(t.Context(), "poem").Result()
			assert.NoError(t, err)
			assert.Equal(t, "If", value)
		}))
		assert.Equal(t, roundTrip, timed(func() {
			assert.ErrorIs(t, client.Get(t.Context(), "prose").Err(), redis.Nil)
		}))
	})
}

// A hundred commands cost a hundred round trips one after another, and one round trip
// in a pipeline.
func TestPipeline(t *testing.T) {
	const commands = 100
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		store := serve(t, sim)
		client := newClient(t, sim)
		require.NoError(t, client.Ping(t.Context()).Err()) // connects

		assert.Equal(t, commands*roundTrip, timed(func() {
			for i := range commands {
				assert.NoError(t, client.Set(t.Context(), fmt.Sprint("key", i), i, 0).Err())
			}
		}))
		assert.Equal(t, roundTrip, timed(func() {
			_, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
				for i := range commands {
					pipe.Get(t.Context(), fmt.Sprint("key", i))
				}
				return nil
			})
			assert.NoError(t, err)
		}))
		assert.Len(t, store.when("GET"), commands)
	})
}

// At 8 kbit/s a byte takes a millisecond, and each segment has headers. The request
// gets no acknowledgement of its own: a server that answers each command delays it,
// and the answer carries it.
func TestSlowLink(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("server", "client", netem.Link{Latency: oneWay, Rate: 8 * netem.Kbps})
		serve(t, sim)
		client := newClient(t, sim, func(o *redis.Options) { o.ReadTimeout = time.Minute })
		poem := strings.Repeat("x", 10000)
		require.NoError(t, client.Set(t.Context(), "poem", poem, 0).Err())

		answer := len("$10000\r\n" + poem + "\r\n")
		segments := (answer + netem.MSS - 1) / netem.MSS
		assert.Equal(t, roundTrip+time.Duration(answer+segments*netem.HeaderSize)*time.Millisecond, timed(func() {
			assert.NoError(t, client.Get(t.Context(), "poem").Err())
		}))
	})
}

// The client does not wait for an answer that takes longer than its read timeout. If
// that answer arrives later, it must not be taken for the answer to another command, so
// the client closes the connection and reconnects.
func TestReadTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := newClient(t, sim, func(o *redis.Options) { o.ReadTimeout = 3 * time.Second })
		require.NoError(t, client.Set(t.Context(), "poem", strings.Repeat("x", 10000), 0).Err())

		sim.SetLink("server", "client", netem.Link{Latency: oneWay, Rate: 8 * netem.Kbps})
		assert.Equal(t, 3*time.Second, timed(func() {
			assert.ErrorContains(t, client.Get(t.Context(), "poem").Err(), "i/o timeout")
		}))
		sim.SetLink("server", "client", netem.Link{Latency: oneWay})
		assert.Equal(t, connecting+roundTrip, timed(func() {
			assert.NoError(t, client.Ping(t.Context()).Err())
		}))
	})
}
