package unmodified

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// grpc.NewClient, with its default resolver, DNS.
func TestGRPC(t *testing.T) {
	run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("server").Run(func(ctx context.Context) error {
			l, err := net.Listen("tcp", ":50051")
			if err != nil {
				return err
			}
			s := grpc.NewServer()
			grpc_health_v1.RegisterHealthServer(s, health.NewServer())
			context.AfterFunc(ctx, s.Stop)
			return s.Serve(l)
		})
		on(t, sim, "client", func(ctx context.Context) error {
			c, err := grpc.NewClient("server:50051", grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				return err
			}
			defer c.Close()
			check := func() error {
				_, err := grpc_health_v1.NewHealthClient(c).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
				return err
			}
			assert.NoError(t, check())
			cut(sim, "client")
			time.Sleep(time.Millisecond)
			err = check()
			assert.Greater(t, sim.Elapsed(), partition)
			return err
		})
	})
}
