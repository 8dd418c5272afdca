package unmodified

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// NATS with its own server. A message published during a partition arrives when the
// partition has ended.
func TestNATS(t *testing.T) {
	run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("server").Run(func(ctx context.Context) error {
			s, err := server.NewServer(&server.Options{Host: "0.0.0.0", Port: 4222, NoSigs: true, NoLog: true})
			if err != nil {
				return err
			}
			context.AfterFunc(ctx, s.Shutdown)
			s.Start()
			s.WaitForShutdown()
			return nil
		})
		time.Sleep(time.Second)
		on(t, sim, "client", func(context.Context) error {
			c, err := nats.Connect("nats://server:4222")
			if err != nil {
				return err
			}
			defer c.Close()
			lines, err := c.SubscribeSync("lines")
			assert.NoError(t, err)
			assert.NoError(t, c.Flush())
			cut(sim, "client")
			assert.NoError(t, c.Publish("lines", []byte("a line")))
			m, err := lines.NextMsg(time.Minute)
			assert.Greater(t, sim.Elapsed(), partition)
			if err == nil {
				assert.Equal(t, "a line", string(m.Data))
			}
			return err
		})
	})
}
