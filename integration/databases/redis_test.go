package databases_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/integration/databases"
)

// A go-redis client meets slow networks, a partition, resets and refusals between it
// and Redis, and recovers from each.
func TestRedis(t *testing.T) {
	p := proxied(t, databases.Redis(t).Address)
	options := redis.Options{Addr: p.Config().Listen, MaxRetries: -1, ReadTimeout: 3 * time.Second, Protocol: 2} // with 3, a check for notifications consumes the error of a reset, and leaves EOF
	client := redis.NewClient(&options)
	defer client.Close()
	ctx := t.Context()
	recovers := func() {
		t.Helper()
		require.Eventually(t, func() bool { return client.Ping(ctx).Err() == nil }, 10*time.Second, 10*ms)
	}
	recovers()
	slowed(t, p, func() { require.NoError(t, client.Set(ctx, "poem", "slow", 0).Err()) })

	// A command in a partition times out. It is held and not lost: it is executed
	// afterwards.
	options.ReadTimeout = 300 * ms
	hasty := redis.NewClient(&options)
	defer hasty.Close()
	require.NoError(t, hasty.Incr(ctx, "n").Err())
	end := partition(t, p)
	err := hasty.Incr(ctx, "n").Err()
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout(), "%v", err)
	end()
	recovers()
	assert.Eventually(t, func() bool { return client.Get(ctx, "n").Val() == "2" }, 5*time.Second, 10*ms)
	require.Eventually(t, func() bool { return hasty.Ping(ctx).Err() == nil }, 5*time.Second, 10*ms)

	// A waiting client returns the reset at once; a subscriber reconnects by itself.
	subscriber := client.Subscribe(ctx, "verses")
	defer subscriber.Close()
	_, err = subscriber.Receive(ctx)
	require.NoError(t, err)
	messages := subscriber.Channel()
	failed := make(chan error, 1)
	go func() { failed <- client.BLPop(context.WithoutCancel(ctx), 15*time.Second, "nothing").Err() }()
	require.Eventually(t, func() bool { return blocked(ctx, client) }, 5*time.Second, 10*ms)
	p.ResetConns()
	select {
	case err := <-failed:
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	case <-time.After(5 * time.Second):
		assert.Fail(t, "the client has not returned the reset")
	}
	recovers()
	require.Eventually(t, func() bool {
		n, err := client.Publish(ctx, "verses", "again").Result()
		return err == nil && n == 1
	}, 10*time.Second, 10*ms)
	select {
	case m := <-messages:
		assert.Equal(t, "again", m.Payload)
	case <-time.After(5 * time.Second):
		assert.Fail(t, "the subscriber has not reconnected")
	}

	require.NoError(t, p.SetEnabled(false))
	assert.Eventually(t, func() bool { return errors.Is(client.Ping(ctx).Err(), syscall.ECONNREFUSED) }, 5*time.Second, 10*ms)
	require.NoError(t, p.SetEnabled(true))
	recovers()
	assert.Equal(t, "slow", client.Get(ctx, "poem").Val())
}

// blocked reports whether a client of the server waits in a command.
func blocked(ctx context.Context, client *redis.Client) bool {
	info, err := client.InfoMap(ctx, "clients").Result()
	return err == nil && info["Clients"]["blocked_clients"] == "1"
}
