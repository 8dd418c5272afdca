package pool

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/bugtest"
	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/service"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	places  = 6
	workers = 6
)

// The workers of a host ask a server through a pool. When the partitions are over, all
// of them get answers again.
func TestServiceRecovers(t *testing.T) {
	search := simtest.Search{
		Seeds:  10,
		Config: simtest.Config{Link: netem.Link{Latency: 5 * time.Millisecond}},
		Chaos:  simtest.Chaos{Mix: simtest.ChaosMix{Isolate: 1, OneWay: 1}}, // partitions
	}
	search.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server, web := sim.Host("server"), sim.Host("web")
		server.Run(func(ctx context.Context) error {
			listener, err := server.Listen("tcp", ":7000")
			if err != nil {
				return err
			}
			context.AfterFunc(ctx, func() { _ = listener.Close() })
			if err := Serve(listener); ctx.Err() == nil {
				return err
			}
			return nil
		})
		asking := service.NewWorkers(sim, web, workers, 500*time.Millisecond)
		web.Run(func(ctx context.Context) error {
			pool := New(places, func(ctx context.Context) (net.Conn, error) {
				return web.DialContext(ctx, "tcp", "server:7000")
			})
			pool.KeepPlace = bugtest.HasBug()
			defer pool.Close()
			asking.Run(ctx, func(ctx context.Context, worker, request int) error {
				return ask(ctx, pool, fmt.Sprintf("worker %d asks %d", worker, request))
			})
			return nil
		})

		asking.MustRecover(t)
	})
}

// ask asks the server, and waits for at most two seconds.
func ask(ctx context.Context, pool *Pool, line string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := pool.Get(ctx)
	if err != nil {
		return err
	}
	defer pool.Put(c)
	_, err = c.Do(ctx, line)
	return err
}

// A pool that loses a place with each broken connection has none left at the end.
func TestBugIsFound(t *testing.T) {
	bugtest.Find(t, "TestServiceRecovers", service.NoAnswer)
}
