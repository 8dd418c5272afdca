package grpc

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	oneWay    = 100 * time.Millisecond
	roundTrip = 2 * oneWay

	// connecting is the time before the first call. TCP takes a round trip, but
	// the server has the connection half a round trip later. Only then it sends
	// its settings, for which the client waits.
	connecting = roundTrip + oneWay + oneWay
)

// scenario runs f on two hosts, "client" and "server", a slow link apart, with
// several seeds.
//
// gRPC's writer races its callers for the contents of one write, but the
// simulation evens that out: every event is the same in every run.
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

// window is the size of gRPC's windows. With a fixed size the two ends do not
// measure the path with pings, so only calls are on the link.
const window = 1 << 20

// serve starts a server on port 50051 of the host "server".
func serve(t *testing.T, sim *simtest.Sim, options ...grpc.ServerOption) *service {
	t.Helper()
	listener, err := sim.Host("server").Listen("tcp", ":50051")
	require.NoError(t, err)
	server := grpc.NewServer(append([]grpc.ServerOption{
		grpc.StaticStreamWindowSize(window), grpc.StaticConnWindowSize(window),
	}, options...)...)
	service := &service{}
	testgrpc.RegisterTestServiceServer(server, service)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return service
}

// dial returns a client on the host "client". It waits exactly a second after a
// failed attempt to connect: gRPC's default has a random part.
func dial(t *testing.T, sim *simtest.Sim, options ...grpc.DialOption) testgrpc.TestServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///server:50051", append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return sim.Host("client").DialContext(ctx, "tcp", address)
		}),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: time.Second, Multiplier: 1, MaxDelay: time.Second},
			MinConnectTimeout: 20 * time.Second,
		}),
	}, options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	return testgrpc.NewTestServiceClient(conn)
}

// call makes a call and returns the time that it took.
func call(ctx context.Context, client testgrpc.TestServiceClient, options ...grpc.CallOption) (time.Duration, error) {
	start := time.Now()
	_, err := client.EmptyCall(ctx, &testgrpc.Empty{}, options...)
	return time.Since(start), err
}
