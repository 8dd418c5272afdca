package http1

import (
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
)

// scenario runs f on two hosts, "client" and "server", a slow link apart. It
// runs with several seeds, and twice with each, to check that both runs are the
// same.
func scenario(t *testing.T, f func(t *testing.T, sim *simtest.Sim)) {
	t.Helper()
	for seed := range uint64(3) {
		simtest.CheckDeterminism(t, simtest.Config{Seed: seed, Link: netem.Link{Latency: oneWay}},
			func(t *testing.T, sim *simtest.Sim) {
				sim.Host("client")
				sim.Host("server")
				f(t, sim)
			})
	}
}

// serve starts an http.Server on port 80 of the host "server".
func serve(t *testing.T, sim *simtest.Sim, server *http.Server) {
	t.Helper()
	listener, err := sim.Host("server").Listen("tcp", ":80")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// newClient returns a client on a host.
func newClient(t *testing.T, host *simtest.Host) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: host.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get fetches a page and returns its text, and the time that it took.
func get(t *testing.T, client *http.Client, url string) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	response, err := client.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	return string(body), time.Since(start)
}

// hello is a handler that answers at once.
func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
