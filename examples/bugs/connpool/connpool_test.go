package connpool

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	mended "example.com/connpool/mended"
	"github.com/buraksezer/connpool"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/bugtest"
	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/service"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	places  = 30 // as in the library's own tests
	workers = 4
)

// A pool is the library's Pool, of either version.
type pool interface {
	Get(ctx context.Context) (net.Conn, error)
	Close()
}

// newPool returns a pool of the version with the bug, or of the fixed one.
func newPool(dial func() (net.Conn, error)) (pool, error) {
	if bugtest.HasBug() {
		return connpool.NewChannelPool(0, places, dial)
	}
	return mended.NewChannelPool(0, places, dial)
}

// The workers of a host query a server through a pool. After the faults, all workers
// get answers again.
func TestServiceRecovers(t *testing.T) {
	search := simtest.Search{
		Seeds:  10,
		Config: simtest.Config{Link: netem.Link{Latency: 5 * time.Millisecond}},
		Chaos:  simtest.DefaultChaos(),
	}
	search.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server, web := sim.Host("server"), sim.Host("web")
		server.Run(func(ctx context.Context) error {
			listener, err := server.Listen("tcp", ":7000")
			if err != nil {
				return err
			}
			context.AfterFunc(ctx, func() { _ = listener.Close() })
			for {
				c, err := listener.Accept()
				if ctx.Err() != nil {
					return nil
				}
				if err != nil {
					return err
				}
				go echo(c)
			}
		})
		asking := service.NewWorkers(sim, web, workers, 200*time.Millisecond)
		web.Run(func(ctx context.Context) error {
			p, err := newPool(func() (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				return web.DialContext(ctx, "tcp", "server:7000")
			})
			if err != nil {
				return err
			}
			defer p.Close()
			asking.Run(ctx, func(ctx context.Context, worker, _ int) error {
				return ask(ctx, p, fmt.Sprintf("worker %d asks", worker))
			})
			return nil
		})

		asking.MustRecover(t)
	})
}

// echo answers every message with the same message.
func echo(c net.Conn) {
	defer func() { _ = c.Close() }()
	b := make([]byte, 100)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// ask queries the server, and waits for at most two seconds.
func ask(ctx context.Context, p pool, line string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := p.Get(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.(interface{ MarkUnusable() }).MarkUnusable()
		}
		_ = c.Close()
	}()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := c.Write([]byte(line)); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, len(line)))
	return err
}

// A pool that loses a place with each dial that fails has no place left in the
// end.
func TestBugIsFound(t *testing.T) {
	bugtest.Find(t, "TestServiceRecovers", service.NoAnswer)
}
