// Package mysql runs github.com/go-sql-driver/mysql with database/sql against a
// small server of its own.
package mysql

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/programs/internal/table"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts the server, and returns the table that it serves.
func serve(sim *simtest.Sim) *table.Table {
	var kept table.Table
	scenario.Serve(sim, ":3306", func(conn net.Conn) {
		s := &session{Session: table.Session{Table: &kept}, conn: conn, in: bufio.NewReader(conn)}
		s.run()
	})
	return &kept
}

// open returns a pool of connections from the client to the server.
func open(t *testing.T, sim *simtest.Sim) *sql.DB {
	t.Helper()
	config := mysql.NewConfig()
	config.Net, config.Addr, config.DBName = "tcp", "server:3306", "poems"
	config.InterpolateParams = true
	config.ReadTimeout = 20 * time.Second // for COMMIT, which no context bounds
	config.Logger = &mysql.NopLogger{}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return sim.Host("client").DialContext(ctx, network, address)
	}
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// insert inserts lines in one transaction.
func insert(ctx context.Context, db *sql.DB, lines ...string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, line := range lines {
		if _, err := tx.ExecContext(ctx, "INSERT INTO poems VALUES (?)", line); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// read returns all lines.
func read(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT line FROM poems")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}

// Bytes on the wire.
const (
	begin  = 4 + 1 + len("START TRANSACTION")
	commit = 4 + 1 + len("COMMIT")
	add    = 4 + 1 + len("INSERT INTO poems VALUES ('')") // without the line
	ok     = 4 + 7
)

// transaction returns the time for inserting lines in one transaction: a round
// trip for each statement, in one segment in each direction.
func transaction(lines ...string) time.Duration {
	bytes := begin + commit + 2*ok
	for _, line := range lines {
		bytes += add + len(line) + ok
	}
	statements := len(lines) + 2
	return time.Duration(statements)*scenario.RoundTrip + scenario.Bytes(bytes) + scenario.Headers(2*statements)
}

// Connecting takes three round trips, TCP's included. The client sends its
// process ID, so the exact time depends on the number of its digits.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome) {
		serve(sim)
		db := open(t, sim)
		took := scenario.Took(func() { assert.NoError(t, db.PingContext(t.Context())) })
		assert.Equal(t, 4*scenario.RoundTrip, took.Truncate(scenario.RoundTrip), "connecting, and a ping")
		o.Note("ping %v", took)
		poem := []string{"If", "you", "can"}
		took = scenario.Took(func() { assert.NoError(t, insert(t.Context(), db, poem...)) })
		assert.Equal(t, transaction(poem...), took)
		took = scenario.Took(func() {
			lines, err := read(t.Context(), db)
			assert.NoError(t, err)
			assert.Equal(t, poem, lines)
		})
		assert.Equal(t, scenario.RoundTrip, took.Truncate(scenario.RoundTrip))
	})
}

// Ten goroutines share two connections, and take turns. database/sql chooses at random
// among the waiting goroutines, so the order differs from run to run, but the time is
// the same.
func TestPool(t *testing.T) {
	scenario.Alike(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome) {
		kept := serve(sim)
		db := open(t, sim)
		db.SetMaxOpenConns(2)
		var all sync.WaitGroup
		var poem []string
		for i := range 10 {
			line := fmt.Sprint("line ", i)
			poem = append(poem, line)
			all.Go(func() { assert.NoError(t, insert(t.Context(), db, line)) })
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		assert.ElementsMatch(t, poem, kept.Lines())
		o.Note("%v", sim.Elapsed())
	})
}

// A short partition costs time. A client that gives up during a partition does not know
// whether its statement was executed: here it was.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		kept := serve(sim)
		db := open(t, sim)
		assert.NoError(t, insert(t.Context(), db, "If"))
		scenario.Cut(sim, 5*time.Second)
		took := scenario.Took(func() { assert.NoError(t, insert(t.Context(), db, "you")) })
		scenario.Retransmitted(t, 6, transaction("you"), took)

		scenario.Cut(sim, 5*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		took = scenario.Took(func() {
			_, err := db.ExecContext(ctx, "INSERT INTO poems VALUES (?)", "can")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		assert.Equal(t, 2*time.Second, took)
		assert.Equal(t, []string{"If", "you"}, kept.Lines())
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"If", "you", "can"}, kept.Lines())
	})
}

// A server that has crashed and restarted answers the next segment with a
// reset, and the pool reconnects for later calls.
func TestCrash(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		kept := serve(sim)
		db := open(t, sim)
		assert.NoError(t, insert(t.Context(), db, "If"))
		scenario.Bounce(sim, 2*time.Second)
		took := scenario.Took(func() { assert.ErrorIs(t, insert(t.Context(), db, "you"), mysql.ErrInvalidConn) })
		scenario.Retransmitted(t, 4, scenario.RoundTrip+scenario.Bytes(begin)+scenario.Headers(2), took)
		assert.NoError(t, insert(t.Context(), db, "can"))
		assert.Equal(t, []string{"If", "can"}, kept.Lines())
	})
}

// Whatever happens to the network and the server, if a transaction has
// succeeded, its line exists exactly once, and two runs are the same.
func TestFaults(t *testing.T) {
	scenario.Same(t, scenario.Faults(func(t *testing.T, sim *simtest.Sim) scenario.Work {
		kept := serve(sim)
		db := open(t, sim)
		n := 0
		return func(ctx context.Context) error {
			n++
			line := fmt.Sprint("line ", n)
			err := insert(ctx, db, line)
			if err == nil {
				lines := kept.Lines()
				assert.Equal(t, line, lines[len(lines)-1])
				assert.NotContains(t, lines[:len(lines)-1], line)
			}
			return err
		}
	}))
}
