package simtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A connection in a steady state does not allocate: neither for small pieces nor for
// bulk packets, over any link.
func TestPiecesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates as well")
	}
	for name, link := range map[string]netem.Link{
		"zero":    {},
		"latency": {Latency: 5 * ms},
		"rate":    {Latency: 5 * ms, Rate: 100 * netem.Mbps},
		"lossy":   {Latency: 5 * ms, Rate: 100 * netem.Mbps, Loss: netem.Loss{Random: 0.01}, Jitter: netem.Jitter{Deviation: ms}},
	} {
		for _, size := range []int{10, 100_000} {
			t.Run(name, func(t *testing.T) {
				simtest.Config{Link: link}.Run(t, func(t *testing.T, sim *simtest.Sim) {
					client, server := connected(t, sim)
					go func() {
						buffer := make([]byte, 64<<10)
						for {
							if _, err := server.Read(buffer); err != nil {
								return
							}
						}
					}()
					piece := make([]byte, size)
					move := func() {
						_, err := client.Write(piece)
						require.NoError(t, err)
						time.Sleep(100 * ms)
					}
					for range 200 { // until all buffers have grown
						move()
					}
					assert.Zero(t, testing.AllocsPerRun(200, move), "pieces of %d bytes", size)
				})
			})
		}
	}
}
