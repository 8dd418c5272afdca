package simtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// lockStep runs 20 clients on separate hosts, which send requests to one server at the
// same instants. Half of them keep their connections, the others open a new one each
// time.
func lockStep(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
	listener, err := sim.Host("server").Listen("tcp", ":80")
	require.NoError(t, err)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			note("%s from %s: %d bytes", r.URL.Path, r.RemoteAddr, len(body))
			time.Sleep(time.Duration(len(body)%3) * ms)
			_, _ = fmt.Fprintf(w, "%s has %s", r.URL.Path, body)
		})}
	var background sync.WaitGroup
	background.Go(func() { assert.ErrorIs(t, server.Serve(listener), http.ErrServerClosed) })
	t.Cleanup(func() {
		assert.NoError(t, server.Shutdown(context.Background()))
		background.Wait()
	})

	var clients sync.WaitGroup
	for i := range 20 {
		host := sim.Host(fmt.Sprint("client", i))
		clients.Go(func() {
			transport := &http.Transport{DialContext: host.DialContext, DisableKeepAlives: i%2 == 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			for round := range 5 {
				body := strings.Repeat("x", 10*i)
				response, err := client.Post(fmt.Sprintf("http://server/%d/%d", i, round), "text/plain", strings.NewReader(body))
				if !assert.NoError(t, err) {
					return
				}
				answer, err := io.ReadAll(response.Body)
				assert.NoError(t, err)
				assert.NoError(t, response.Body.Close())
				assert.Equal(t, fmt.Sprintf("/%d/%d has %s", i, round, body), string(answer))
				time.Sleep(time.Duration(round+1)*time.Second - sim.Elapsed())
			}
		})
	}
	clients.Wait()
}

// Twenty net/http clients and their server behave the same in every run.
func TestContractHTTP(t *testing.T) {
	link := netem.Link{Latency: 5 * ms, Rate: 10 * netem.Mbps}
	checkOneDigest(t, simtest.Config{Link: link}, lockStep)
}

// With jitter and loss, too, clients and server behave the same in every run: the seed
// orders the events of each instant, and every packet has its own delay.
func TestContractHTTPWithJitterAndLoss(t *testing.T) {
	link := netem.Link{Latency: 5 * ms, Jitter: netem.Jitter{Deviation: 3 * ms}, Loss: netem.Loss{Random: 0.02}}
	checkOneDigest(t, simtest.Config{Seed: 7, Link: link}, lockStep)
}

// If the seed only decides ties, every seed gives a different order.
func TestSeedsHTTP(t *testing.T) {
	checkSeeds(t, simtest.Config{Link: netem.Link{Latency: 5 * ms}}, lockStep)
}
