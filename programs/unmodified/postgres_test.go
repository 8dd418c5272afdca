package unmodified

import (
	"context"
	"database/sql"
	"net"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	_ "github.com/lib/pq"              // and "postgres"
	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/programs/internal/postgres"
	"github.com/slowpoetry/slowpoetry/programs/internal/table"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// serveTable serves a table on the host.
func serveTable(sim *simtest.Sim) {
	sim.Host("server").Run(func(ctx context.Context) error {
		l, err := net.Listen("tcp", ":5432")
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		for kept := new(table.Table); ; {
			conn, err := l.Accept()
			if err != nil {
				return nil
			}
			go postgres.Serve(conn, kept)
		}
	})
}

// The two drivers for PostgreSQL, with database/sql.
func TestPostgres(t *testing.T) {
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			run(t, func(t *testing.T, sim *simtest.Sim) {
				serveTable(sim)
				on(t, sim, "client", func(context.Context) error {
					db, err := sql.Open(driver, "host=server port=5432 user=reader sslmode=disable")
					if err != nil {
						return err
					}
					defer db.Close()
					_, err = db.Exec("insert into poems values ($1)", "before")
					assert.NoError(t, err)
					cut(sim, "client")
					time.Sleep(time.Millisecond)
					_, err = db.Exec("insert into poems values ($1)", "after")
					assert.NoError(t, err)
					assert.Greater(t, sim.Elapsed(), partition)
					var line string
					err = db.QueryRow("select line from poems").Scan(&line)
					assert.Equal(t, "before", line)
					return err
				})
			})
		})
	}
}
