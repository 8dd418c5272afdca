//go:build go1.26

package http2

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// With HTTP/1.1, in which client and server take turns, the same seed gives the
// same bytes with TLS, too. That requires Go 1.26, where a test can seed the
// random numbers of the crypto packages.
func TestTLSRepeats(t *testing.T) {
	for seed := range uint64(3) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, Link: netem.Link{Latency: oneWay}},
			func(t *testing.T, sim *simtest.Sim) {
				sim.Host("client")
				serve(t, sim, hello)
				transport := newTransport(t, sim)
				transport.ForceAttemptHTTP2 = false
				response, err := (&http.Client{Transport: transport}).Get("https://server/")
				require.NoError(t, err)
				assert.Equal(t, "HTTP/1.1", response.Proto)
				assert.NoError(t, response.Body.Close())
				assert.Equal(t, connecting+roundTrip, sim.Elapsed())
			})
	}
}
