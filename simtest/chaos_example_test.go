package simtest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// For each of five seeds, a server is killed, cut off and slowed down for a minute.
// Then it answers again. A seed that fails prints its faults.
func ExampleChaos() {
	config := simtest.Config{
		Link:  netem.Link{Latency: 20 * time.Millisecond},
		Chaos: simtest.Chaos{Mix: simtest.ChaosMix{Kill: 2, Isolate: 1, Slow: 1}},
	}
	for config.Seed = range uint64(5) {
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			poet, reader := sim.Host("poet"), sim.Host("reader")
			poet.Run(func(ctx context.Context) error { // and again after each kill
				listener, err := poet.Listen("tcp", ":80")
				if err != nil {
					return err
				}
				return http.Serve(listener, http.NotFoundHandler())
			})
			web := http.Client{Transport: &http.Transport{DialContext: reader.DialContext}, Timeout: 5 * time.Second}
			get := func() error {
				response, err := web.Get("http://poet/")
				if err == nil {
					_ = response.Body.Close()
				}
				return err
			}
			sim.Every(time.Second, func() { _ = get() }) // may fail

			<-sim.Quiet()
			assert.Equal(t, time.Minute, sim.Elapsed())
			assert.NoError(t, get())
		})
	}
}

// A failure prints its schedule, which can be given again. Faults can be deleted by
// hand, to find those that matter.
func ExampleChaos_schedule() {
	config := simtest.Config{Chaos: simtest.Chaos{Schedule: `
		fault 2s partition poet | reader for 3s
		fault 4s crash poet for 5s
	`}}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		poet, reader := sim.Host("poet"), sim.Host("reader")
		poet.Run(func(ctx context.Context) error {
			_, err := poet.Listen("tcp", ":80")
			<-ctx.Done()
			return err
		})
		time.Sleep(3 * time.Second)
		_, err := reader.Dial("tcp", "poet:80") // sent at 3, 4, 5, 6, 7, 8 and 10 s
		assert.NoError(t, err)
		assert.Equal(t, 10*time.Second, sim.Elapsed())
	})
}
