package http2

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	oneWay    = 100 * time.Millisecond
	roundTrip = 2 * oneWay

	// connecting is the time before the first request: a round trip for TCP,
	// and one for TLS 1.3. The end of the handshake travels with the request.
	connecting = 2 * roundTrip
)

// scenario runs f on two hosts, "client" and "server", a slow link apart, with
// several seeds.
//
// The times are the same in every run, but the bytes are not always the same, so
// [simtest.CheckDeterminism] sometimes fails. The goroutines of HTTP/2 that read,
// handle and write race for their order at one instant, and for the contents of a TLS
// record.
func scenario(t *testing.T, f func(t *testing.T, sim *simtest.Sim)) {
	t.Helper()
	for seed := range uint64(3) {
		simtest.Config{Seed: seed, Link: netem.Link{Latency: oneWay}}.Run(t,
			func(t *testing.T, sim *simtest.Sim) {
				sim.Host("client")
				sim.Host("server")
				f(t, sim)
			})
	}
}

// serve starts an HTTPS server on port 443 of the host "server".
func serve(t *testing.T, sim *simtest.Sim, handler http.HandlerFunc) {
	t.Helper()
	listener, err := sim.Host("server").Listen("tcp", ":443")
	require.NoError(t, err)
	server := &http.Server{
		Handler:   handler,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
}

// newTransport returns a transport on the host "client".
func newTransport(t *testing.T, sim *simtest.Sim) *http.Transport {
	t.Helper()
	transport := &http.Transport{
		DialContext:       sim.Host("client").DialContext,
		TLSClientConfig:   &tls.Config{RootCAs: authorities},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// get fetches a page and returns the time that it took.
func get(t *testing.T, client *http.Client) time.Duration {
	t.Helper()
	start := time.Now()
	response, err := client.Get("https://server/")
	if assert.NoError(t, err) {
		body, err := io.ReadAll(response.Body)
		assert.NoError(t, err)
		assert.NoError(t, response.Body.Close())
		assert.Equal(t, "HTTP/2.0", response.Proto)
		assert.Equal(t, "hello", string(body))
	}
	return time.Since(start)
}

// hello is a handler that answers at once.
func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
