package simtest_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Two hosts keep in touch for six hours or a week, with a heartbeat every second. The
// memory in use does not grow with time.
func TestWeekOfHeartbeats(t *testing.T) {
	const day = 24 * time.Hour
	lasts := tier.Count(day/4, 7*day)
	cfg := simtest.Config{Seed: 1, TimeLimit: lasts + day, Link: netem.Link{Latency: 20 * ms, Jitter: netem.Jitter{Deviation: 5 * ms}}}
	cfg.Run(t, func(t *testing.T, sim *simtest.Sim) {
		beats := 0
		sim.Host("doctor").Run(func(ctx context.Context) error {
			listener, err := sim.Host("doctor").Listen("tcp", ":1")
			if err != nil {
				return err
			}
			conn, err := listener.Accept()
			if err != nil {
				return context.Cause(ctx)
			}
			defer conn.Close()
			_, err = io.Copy(conn, conn)
			return err
		})
		conn, err := sim.Host("heart").DialContext(t.Context(), "tcp", "doctor:1")
		require.NoError(t, err)
		var start int
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		buffer := make([]byte, 8)
		for sim.Elapsed() < lasts {
			<-tick.C
			_, err := conn.Write(buffer)
			require.NoError(t, err)
			_, err = io.ReadFull(conn, buffer)
			require.NoError(t, err)
			beats++
			if beats == 1000 {
				start = heapInUse()
			}
		}
		assert.NoError(t, conn.Close())
		grown := heapInUse() - start
		t.Logf("%d heartbeats, heap %d KiB, grown by %d bytes", beats, start>>10, grown)
		assert.InDelta(t, lasts.Seconds(), beats, 1)
		assert.Less(t, grown, 256<<10)
	})
}
