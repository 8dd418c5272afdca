package slowpoetry_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestServerThatCrashes(t *testing.T) {
	for seed := range uint64(20) {
		config := simtest.Config{Seed: seed, Link: netem.Link{Latency: 50 * time.Millisecond}}
		simtest.CheckDeterminism(t, config, func(t *testing.T, sim *simtest.Sim) {
			server, client := sim.Host("server"), sim.Host("client")
			server.Run(func(ctx context.Context) error { // runs again after each restart
				listener, err := server.Listen("tcp", ":80")
				if err != nil {
					return err
				}
				return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, "still here")
				}))
			})
			sim.At(1*time.Second, server.Crash)
			sim.At(5*time.Second, server.Restart)
			sim.At(5*time.Second, func() { sim.Partition([]string{"client"}, []string{"server"}) })
			sim.At(7*time.Second, func() { sim.Heal() })

			web := http.Client{Transport: &http.Transport{DialContext: client.DialContext}, Timeout: time.Second}
			var answers []time.Duration
			for sim.Elapsed() < 9*time.Second {
				response, err := web.Get("http://server/")
				if err != nil {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					continue
				}
				answers = append(answers, sim.Elapsed())
				require.NoError(t, response.Body.Close())
				time.Sleep(time.Second)
			}
			// In between, six requests ran into the client's timeout.
			assert.Equal(t, []time.Duration{200 * time.Millisecond, 7400 * time.Millisecond, 8500 * time.Millisecond}, answers)
		})
	}
}
