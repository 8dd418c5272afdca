package grpc

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

var t *testing.T // the test that runs the example

func TestExample(testT *testing.T) {
	t = testT
	Example()
}

// A server on one host and a client on another. The scheme "passthrough" leaves the
// name to the dialer; without it gRPC would ask the real resolver.
func Example() {
	simtest.Config{Link: netem.Link{Latency: 100 * time.Millisecond}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		host := sim.Host("client")
		listener, err := sim.Host("server").Listen("tcp", ":50051")
		require.NoError(t, err)
		server := grpc.NewServer()
		testgrpc.RegisterTestServiceServer(server, &service{})
		sim.Host("server").Run(func(context.Context) error { return server.Serve(listener) })
		t.Cleanup(server.GracefulStop)

		conn, err := grpc.NewClient("passthrough:///server:50051",
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return host.DialContext(ctx, "tcp", address)
			}))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, conn.Close()) })
		_, err = testgrpc.NewTestServiceClient(conn).EmptyCall(t.Context(), &testgrpc.Empty{})
		require.NoError(t, err)
		assert.Equal(t, 600*time.Millisecond, sim.Elapsed()) // to connect, and the call
	})
}
