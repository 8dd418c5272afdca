package http1

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Shutdown lets requests in progress finish, accepts no new connection, and
// closes idle ones at once.
func TestShutdown(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		mux := http.NewServeMux()
		mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
			hello(w, r)
		})
		mux.HandleFunc("/", hello)
		server := &http.Server{Handler: mux}
		listener, err := sim.Host("server").Listen("tcp", ":80")
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()

		idle, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:80")
		require.NoError(t, err)
		_, err = idle.Write([]byte("GET / HTTP/1.1\r\nHost: server\r\n\r\n"))
		require.NoError(t, err)
		_, err = idle.Read(make([]byte, 4096))
		require.NoError(t, err)
		idleEnded := make(chan time.Duration, 1)
		go func() {
			_, _ = idle.Read(make([]byte, 1))
			idleEnded <- sim.Elapsed()
			_ = idle.Close()
		}()

		client, start := newClient(t, sim.Host("client")), sim.Elapsed()
		answered := make(chan time.Duration, 1)
		go func() {
			response, err := client.Get("http://server/slow")
			if assert.NoError(t, err) {
				assert.True(t, response.Close, "the server says that it will not keep the connection")
				assert.NoError(t, response.Body.Close())
			}
			answered <- sim.Elapsed() - start
		}()
		time.Sleep(time.Second)
		down := make(chan time.Duration, 1)
		go func() {
			assert.NoError(t, server.Shutdown(context.Background()))
			down <- sim.Elapsed() - start
		}()

		assert.ErrorIs(t, <-served, http.ErrServerClosed)
		assert.Equal(t, time.Second, sim.Elapsed()-start, "Serve returns at once")
		assert.Equal(t, time.Second+oneWay, <-idleEnded-start, "an idle connection is closed at once")
		_, err = client.Get("http://server/")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, time.Second+oneWay+roundTrip, sim.Elapsed()-start)
		assert.Equal(t, 2*roundTrip+5*time.Second, <-answered, "a running request is answered")

		// Shutdown checks for the end of the last connection at random
		// intervals of up to 550 ms, so this time is not exact.
		ended := roundTrip + oneWay + 5*time.Second
		took := <-down
		assert.GreaterOrEqual(t, took, ended)
		assert.LessOrEqual(t, took, ended+550*time.Millisecond)
	})
}
