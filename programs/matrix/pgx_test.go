package matrix

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/slowpoetry/slowpoetry/programs/internal/postgres"
	"github.com/slowpoetry/slowpoetry/programs/internal/table"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// pgx has a pool of connections to a small server, whose table outlives the server.
var pgxProgram = program{"jackc/pgx", "github.com/jackc/pgx/v5",
	"three concurrent transactions on a pool of two connections, each an insert and a select; the server is a minimal one",
	func(t *testing.T, sim *simtest.Sim) {
		kept := new(table.Table)
		served(accepting(":5432", func(conn net.Conn) { postgres.Serve(conn, kept) }), dialPGX)(t, sim)
	}}

type pgxSession struct {
	pool *pgxpool.Pool
	name string
}

func dialPGX(ctx context.Context, client string) (session, error) {
	pool, err := pgxpool.New(context.WithoutCancel(ctx), "host=server port=5432 user=reader database=poems sslmode=disable pool_max_conns=2")
	return pgxSession{pool, client}, err
}

func (s pgxSession) exchange(ctx context.Context, i int) error {
	return atOnce(func(n int) error {
		line := fmt.Sprintf("%s: piece %d, part %d", s.name, i, n)
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "insert into poems values ($1)", line); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, "select line from poems")
			if err != nil {
				return err
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err == nil && !slices.Contains(lines, line) {
				err = fmt.Errorf("%q is not among %s", line, strings.Join(lines, "; "))
			}
			return err
		})
	})
}

func (s pgxSession) close() { s.pool.Close() }
