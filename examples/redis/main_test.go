package redis

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	oneWay    = 100 * time.Millisecond
	roundTrip = 2 * oneWay

	// connecting is the time before the first command: one round trip for TCP
	// and one for HELLO.
	connecting = 2 * roundTrip
)

// scenario runs f on two hosts, "client" and "server", connected by a slow
// link. It runs f twice with each of several seeds, to check that both runs are
// the same.
func scenario(t *testing.T, f func(t *testing.T, sim *simtest.Sim)) {
	t.Helper()
	for seed := range uint64(3) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, Link: netem.Link{Latency: oneWay}},
			func(t *testing.T, sim *simtest.Sim) {
				sim.Host("client")
				sim.Host("server")
				f(t, sim)
			})
	}
}

// noNotifications keeps the client from requesting maintenance notifications,
// for which it would look up the server's name in the real DNS.
var noNotifications = maintnotifications.Config{
	Mode:         maintnotifications.ModeDisabled,
	EndpointType: maintnotifications.EndpointTypeNone,
}

// newClient returns a client on the host "client". It has one connection, and
// does not retry a command that fails; options may change that.
func newClient(t *testing.T, sim *simtest.Sim, options ...func(*redis.Options)) *redis.Client {
	t.Helper()
	o := &redis.Options{
		Addr: "server:6379",
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			return sim.Host("client").DialContext(ctx, network, address)
		},
		PoolSize:                 1,
		MaxRetries:               -1,
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &noNotifications,
	}
	for _, option := range options {
		option(o)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// timed returns the simulated time that f takes.
func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
