package http2

import (
	"crypto/tls"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Before the round trip of the request itself, the TCP handshake takes one round trip,
// and the TLS handshake two with TLS 1.2 and one with TLS 1.3. Resuming a session saves
// one round trip with TLS 1.2, and none with TLS 1.3.
func TestHandshake(t *testing.T) {
	for name, test := range map[string]struct {
		version        uint16
		first, resumed time.Duration
	}{
		"TLS 1.2": {tls.VersionTLS12, (1 + 2 + 1) * roundTrip, (1 + 1 + 1) * roundTrip},
		"TLS 1.3": {tls.VersionTLS13, (1 + 1 + 1) * roundTrip, (1 + 1 + 1) * roundTrip},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(t *testing.T, sim *simtest.Sim) {
				resumed := false
				serve(t, sim, func(w http.ResponseWriter, r *http.Request) {
					assert.Equal(t, test.version, r.TLS.Version)
					assert.Equal(t, resumed, r.TLS.DidResume)
					hello(w, r)
				})
				transport := newTransport(t, sim)
				transport.TLSClientConfig.MaxVersion = test.version
				transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				client := &http.Client{Transport: transport}

				assert.Equal(t, test.first, get(t, client))
				assert.Equal(t, roundTrip, get(t, client), "the connection is open")

				transport.CloseIdleConnections()
				resumed = true
				assert.Equal(t, test.resumed, get(t, client))
			})
		})
	}
}

// Ten requests of a second each take a second and a round trip on one connection,
// as each has its own stream. Ten more have to wait: the congestion window counts
// segments, however small, and starts at ten. They are sent together when the first
// ten are acknowledged, which the server does after 40 ms without an answer.
func TestStreams(t *testing.T) {
	const requests, window, each = 20, 10, time.Second
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		var mu sync.Mutex
		connections := make(map[string]int)
		serve(t, sim, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			connections[r.RemoteAddr]++
			mu.Unlock()
			time.Sleep(each)
			hello(w, r)
		})
		client := &http.Client{Transport: newTransport(t, sim)}
		assert.Equal(t, connecting+roundTrip+each, get(t, client))

		// The requests begin a millisecond apart. At one instant they would race
		// for the connection, and runs would differ.
		start := sim.Elapsed()
		const last = roundTrip + 40*time.Millisecond + roundTrip + each
		var answers sync.WaitGroup
		for i := range requests {
			answers.Go(func() {
				took := roundTrip + each
				if i >= window {
					took = last - time.Duration(i)*time.Millisecond
				}
				assert.Equal(t, took, get(t, client))
			})
			time.Sleep(time.Millisecond)
		}
		answers.Wait()
		assert.Equal(t, last, sim.Elapsed()-start)
		assert.Len(t, connections, 1)
		for _, served := range connections {
			assert.Equal(t, 1+requests, served)
		}
	})
}
