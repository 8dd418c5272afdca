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

func TestFarAwayServer(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server, client := sim.Host("server"), sim.Host("client")
		sim.SetLink("client", "server", netem.Link{Latency: 300 * time.Millisecond})
		sim.SetLink("server", "client", netem.Link{Latency: 300 * time.Millisecond})

		listener, err := server.Listen("tcp", ":80")
		require.NoError(t, err)
		go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "hello from afar")
		}))

		web := http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
		start := time.Now()
		response, err := web.Get("http://server/")
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		assert.Equal(t, "hello from afar", string(body))
		assert.Equal(t, 1200*time.Millisecond, time.Since(start)) // connecting: 600 ms, the request: 600 ms

		web.Timeout = 500 * time.Millisecond
		_, err = web.Get("http://server/")
		assert.ErrorIs(t, err, context.DeadlineExceeded) // the request takes 600 ms
	})
}
