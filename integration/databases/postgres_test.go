package databases_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/integration/databases"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

// A pool of pgx meets slow networks, a partition, resets and refusals between it and
// PostgreSQL, and recovers from each.
func TestPostgres(t *testing.T) {
	p := proxied(t, databases.Postgres(t).Address)
	config, err := pgxpool.ParseConfig("postgres://postgres@" + p.Config().Listen + "/postgres?sslmode=disable")
	require.NoError(t, err)
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	within := func(limit time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		t.Cleanup(cancel)
		return ctx
	}
	count := func(ctx context.Context) (n int, err error) {
		return n, pool.QueryRow(ctx, "SELECT count(*) FROM poems").Scan(&n)
	}
	recovers := func(want int) {
		t.Helper()
		require.Eventually(t, func() bool {
			n, err := count(within(2 * time.Second))
			return err == nil && n == want
		}, 10*time.Second, 10*ms)
	}
	_, err = pool.Exec(within(10*time.Second), "CREATE TABLE poems (id int)")
	require.NoError(t, err)

	slowed(t, p, func() {
		_, err := count(within(10 * time.Second))
		require.NoError(t, err)
	})

	// 400 kB take at least 0.4 s at 8 Mbit/s.
	_, err = p.AddToxic(proxy.Toxic{Name: "narrow", Stream: proxy.Downstream, Toxicity: 1, Attributes: proxy.Link{Link: netem.Link{Latency: 10 * ms, Rate: 8 * netem.Mbps}}})
	require.NoError(t, err)
	start, long := time.Now(), ""
	require.NoError(t, pool.QueryRow(within(10*time.Second), "SELECT repeat('x', 400000)").Scan(&long))
	assert.Len(t, long, 400_000)
	assert.GreaterOrEqual(t, time.Since(start), 400*ms)
	require.NoError(t, p.RemoveToxic("narrow"))

	// A transaction that was not committed before the partition has no effect.
	tx, err := pool.Begin(within(10 * time.Second))
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "INSERT INTO poems VALUES (1)")
	require.NoError(t, err)
	end := partition(t, p)
	_, err = tx.Exec(within(300*ms), "INSERT INTO poems VALUES (2)")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = count(within(300 * ms))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_ = tx.Rollback(within(300 * ms))
	end()
	recovers(0)

	// A waiting query returns the reset at once, and the server notices the end of its
	// client.
	failed := make(chan error, 1)
	go func() {
		_, err := pool.Exec(within(20*time.Second), "SELECT pg_sleep(15)")
		failed <- err
	}()
	asleep := func() (n int) {
		require.NoError(t, pool.QueryRow(within(5*time.Second), "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(15)' AND state = 'active'").Scan(&n))
		return n
	}
	require.Eventually(t, func() bool { return asleep() == 1 }, 5*time.Second, 10*ms)
	p.ResetConns()
	select {
	case err := <-failed:
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	case <-time.After(5 * time.Second):
		assert.Fail(t, "the query has not returned the reset")
	}
	recovers(0)

	// Everything is refused while the proxy is disabled, and nothing after it is enabled
	// again.
	require.NoError(t, p.SetEnabled(false))
	assert.Eventually(t, func() bool {
		_, err := count(within(2 * time.Second))
		return errors.Is(err, syscall.ECONNREFUSED)
	}, 5*time.Second, 10*ms)
	require.NoError(t, p.SetEnabled(true))
	recovers(0)
	_, err = pool.Exec(within(5*time.Second), "INSERT INTO poems VALUES (3)")
	require.NoError(t, err)
	recovers(1)
}
