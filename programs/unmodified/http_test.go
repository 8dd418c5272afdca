package unmodified

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// http.Get, with the default transport and the default resolver. An answer that is held
// up by a partition arrives after the partition.
func TestHTTP(t *testing.T) {
	run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("server").Run(func(ctx context.Context) error {
			s := http.Server{Addr: ":80", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second)
				fmt.Fprint(w, "a line")
			})}
			context.AfterFunc(ctx, func() { _ = s.Close() })
			return s.ListenAndServe()
		})
		on(t, sim, "client", func(context.Context) error {
			defer http.DefaultClient.CloseIdleConnections()
			sim.At(500*time.Millisecond, func() { cut(sim, "client") })
			response, err := http.Get("http://server/poem")
			if err != nil {
				return err
			}
			text, err := io.ReadAll(response.Body)
			assert.Equal(t, "a line", string(text))
			assert.Greater(t, sim.Elapsed(), partition)
			return err
		})
	})
}
