package pool

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/examples/bugs/internal/hunt"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	places  = 6
	workers = 6
)

// The workers of a host ask a server by a pool. When the partitions are over, they all
// get answers again.
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
		var answered [workers]atomic.Int64 // when, in simulated time
		web.Run(func(ctx context.Context) error {
			pool := New(places, func(ctx context.Context) (net.Conn, error) {
				return web.DialContext(ctx, "tcp", "server:7000")
			})
			pool.KeepPlace = hunt.HasBug()
			defer pool.Close()
			for i := range workers {
				chance := rand.New(rand.NewPCG(web.Rand().Uint64(), 0))
				go func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					for n := 0; ctx.Err() == nil; n++ {
						if ask(ctx, pool, fmt.Sprintf("worker %d asks %d", i, n)) == nil {
							answered[i].Store(int64(sim.Elapsed()))
						}
						pause := 500*time.Millisecond + time.Duration(chance.Int64N(int64(500*time.Millisecond)))
						time.Sleep(pause) // to the nanosecond, so that no two ask at one instant
					}
				}()
			}
			<-ctx.Done()
			return nil
		})

		<-sim.Quiet()
		time.Sleep(30 * time.Second)
		sim.Settle()
		stuck := 0
		for i := range answered {
			if last := time.Duration(answered[i].Load()); last < sim.Elapsed()-10*time.Second {
				stuck++
			}
		}
		if stuck > 0 {
			t.Errorf("%d of %d workers have had no answer for 10 s", stuck, workers)
		}
	})
}

// ask asks the server, and waits two seconds at most.
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

// A pool that loses a place with each connection that is broken has none at last.
func TestBugIsFound(t *testing.T) {
	hunt.Find(t, "TestServiceRecovers", "workers have had no answer for 10 s")
}
