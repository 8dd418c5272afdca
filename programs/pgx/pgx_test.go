// Package pgx runs github.com/jackc/pgx/v5 and its pool against a small server
// of its own.
package pgx

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/postgres"
	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/programs/internal/table"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve makes the server keep a table.
func serve(sim *simtest.Sim) *table.Table {
	var kept table.Table
	scenario.Serve(sim, ":5432", func(conn net.Conn) { postgres.Serve(conn, &kept) })
	return &kept
}

// open returns a pool of at most two connections from the client to the server.
func open(t *testing.T, sim *simtest.Sim, options string) *pgxpool.Pool {
	t.Helper()
	client := sim.Host("client")
	config, err := pgxpool.ParseConfig("host=server port=5432 user=reader sslmode=disable pool_max_conns=2 " + options)
	require.NoError(t, err)
	config.ConnConfig.DialFunc = client.DialContext
	config.ConnConfig.LookupFunc = client.Resolver().LookupHost
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// insert inserts lines in one transaction.
func insert(ctx context.Context, pool *pgxpool.Pool, lines ...string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, line := range lines {
			if _, err := tx.Exec(ctx, "insert into poems values ($1)", line); err != nil {
				return err
			}
		}
		return nil
	})
}

// read returns all lines.
func read(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	rows, err := pool.Query(ctx, "select line from poems")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Each statement takes two round trips the first time, as it is prepared, and one
// from then on.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		work(t, sim, "")
	})
}

// The parameters of the first message are in the order of a map, so with two of
// them its bytes differ from run to run. Nothing else differs.
func TestSlowLinkToADatabase(t *testing.T) {
	scenario.Alike(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		work(t, sim, "dbname=poems")
	})
}

func work(t *testing.T, sim *simtest.Sim, options string) {
	serve(sim)
	pool := open(t, sim, options)
	poem := []string{"If", "you", "can"}
	for _, c := range []struct {
		what  string
		trips int
		do    func()
	}{
		{"connect and ping", 3, func() { assert.NoError(t, pool.Ping(t.Context())) }},
		{"insert", 2 + 1 + 1 + 2, func() { assert.NoError(t, insert(t.Context(), pool, poem...)) }},
		{"insert again", 1 + 1 + 1 + 2, func() { assert.NoError(t, insert(t.Context(), pool, poem...)) }},
		{"read", 2, func() {
			lines, err := read(t.Context(), pool)
			assert.NoError(t, err)
			assert.Equal(t, append(poem, poem...), lines)
		}},
	} {
		assert.Equal(t, time.Duration(c.trips)*scenario.RoundTrip, scenario.Took(c.do).Truncate(scenario.RoundTrip), c.what)
	}
}

// Ten goroutines share two connections, and take turns in the order of their
// calls.
func TestPool(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome) {
		kept := serve(sim)
		pool := open(t, sim, "")
		var all sync.WaitGroup
		var poem []string
		for i := range 10 {
			line := fmt.Sprint("line ", i)
			poem = append(poem, line)
			all.Go(func() { assert.NoError(t, insert(t.Context(), pool, line)) })
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		assert.Equal(t, poem, kept.Lines())
		o.Note("%v", sim.Elapsed())
	})
}

// Bytes on the wire.
const (
	begin = 1 + 4 + len("begin") + 1
)

// A short partition costs time. A client that gives up during a partition does not know
// whether its statement was executed: here it was.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		kept := serve(sim)
		pool := open(t, sim, "")
		assert.NoError(t, insert(t.Context(), pool, "If"))
		scenario.Cut(sim, 5*time.Second)
		took := scenario.Took(func() { assert.NoError(t, insert(t.Context(), pool, "you")) })
		scenario.Retransmitted(t, 6, 3*scenario.RoundTrip, took)

		scenario.Cut(sim, 5*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		took = scenario.Took(func() {
			_, err := pool.Exec(ctx, "insert into poems values ($1)", "can")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		assert.Equal(t, 2*time.Second, took)
		assert.Equal(t, []string{"If", "you"}, kept.Lines())
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"If", "you", "can"}, kept.Lines())
	})
}

// A server that has crashed and restarted answers the next segment with a
// reset, and the pool reconnects for later calls. Statements sent at the same
// instant differ from run to run: pgx also connects at that instant, in a
// goroutine of its own, to cancel its query.
func TestCrash(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		kept := serve(sim)
		pool := open(t, sim, "")
		assert.NoError(t, insert(t.Context(), pool, "If"))
		scenario.Bounce(sim, 2*time.Second)
		took := scenario.Took(func() { assert.ErrorContains(t, insert(t.Context(), pool, "you"), "conn closed") })
		scenario.Retransmitted(t, 4, scenario.RoundTrip+scenario.Bytes(begin)+scenario.Headers(2), took)
		time.Sleep(time.Second)
		assert.NoError(t, insert(t.Context(), pool, "can"))
		assert.Equal(t, []string{"If", "can"}, kept.Lines())
	})
}

// Whatever happens to the network and the server, if a transaction has
// succeeded its line exists exactly once, and two runs are the same.
func TestFaults(t *testing.T) {
	scenario.Same(t, scenario.Faults(func(t *testing.T, sim *simtest.Sim) scenario.Work {
		kept := serve(sim)
		pool := open(t, sim, "")
		n := 0
		return func(ctx context.Context) error {
			n++
			line := fmt.Sprint("line ", n)
			err := insert(ctx, pool, line)
			if err == nil {
				lines := kept.Lines()
				assert.Equal(t, line, lines[len(lines)-1])
				assert.NotContains(t, lines[:len(lines)-1], line)
			}
			return err
		}
	}))
}
