package cookbook

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// config is a network with a latency of 50 ms from each host to each other host.
var config = simtest.Config{Link: netem.Link{Latency: 50 * time.Millisecond}}

// serveHTTP runs an HTTP server on a host, and starts it again when the host restarts.
func serveHTTP(host *simtest.Host, handler http.HandlerFunc) {
	host.Run(func(ctx context.Context) error {
		listener, err := host.Listen("tcp", ":80")
		if err != nil {
			return err
		}
		return http.Serve(listener, handler)
	})
}

// get requests a page, and returns its text.
func get(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// isTimeout reports whether an error is a timeout.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestTimeouts(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client := sim.Host("client")
		serveHTTP(sim.Host("slow"), func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		serveHTTP(sim.Host("drip"), func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, "drip ")
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}
		})
		sim.Host("gone")
		sim.Blackhole("gone")

		web := &http.Client{
			Timeout: 10 * time.Second, // for the whole request, including the body
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // to connect
					defer cancel()
					return client.DialContext(ctx, network, address)
				},
				ResponseHeaderTimeout: 3 * time.Second, // for the handler
			},
		}
		for _, test := range []struct {
			host string
			want time.Duration
		}{
			{"gone", 2 * time.Second},
			{"slow", 100*time.Millisecond + 3*time.Second}, // to connect, and for the handler
			{"drip", 10 * time.Second},
		} {
			start := time.Now()
			_, err := get(web, "http://"+test.host+"/")
			assert.True(t, isTimeout(err), "%s: %v", test.host, err)
			assert.Equal(t, test.want, time.Since(start), test.host)
		}
	})
}

func TestPoolAfterPartition(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		serveHTTP(sim.Host("server"), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
		transport := &http.Transport{DialContext: sim.Host("client").DialContext}
		web := &http.Client{Transport: transport, Timeout: 2 * time.Second}

		_, err := get(web, "http://server/") // leaves a connection in the pool
		require.NoError(t, err)
		sim.Partition([]string{"client"}, []string{"server"})
		_, err = get(web, "http://server/")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		sim.Heal()

		start := time.Now()
		_, err = get(web, "http://server/")
		require.NoError(t, err)
		assert.Equal(t, 200*time.Millisecond, time.Since(start)) // a new connection, and the request
	})
}

func TestGracefulShutdown(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":80")
		require.NoError(t, err)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
			io.WriteString(w, "finished")
		})}
		go server.Serve(listener)
		sim.At(time.Second, func() { assert.NoError(t, server.Shutdown(t.Context())) })

		web := &http.Client{Transport: &http.Transport{DialContext: sim.Host("client").DialContext}}
		text, err := get(web, "http://server/")
		require.NoError(t, err)
		assert.Equal(t, "finished", text)
		_, err = get(web, "http://server/")
		assert.ErrorContains(t, err, "connection refused")
	})
}

func TestCrashAndRestart(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server := sim.Host("server")
		disk := 0 // outlives the crash
		server.Run(func(ctx context.Context) error {
			memory := 0 // does not outlive it
			listener, err := server.Listen("tcp", ":80")
			if err != nil {
				return err
			}
			return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				memory++
				disk++
				io.WriteString(w, strings.Repeat("memory ", memory)+strings.Repeat("disk ", disk))
			}))
		})
		web := &http.Client{Transport: &http.Transport{DialContext: sim.Host("client").DialContext}, Timeout: time.Second}
		text, err := get(web, "http://server/")
		require.NoError(t, err)
		assert.Equal(t, "memory disk ", text)

		server.Crash()
		_, err = get(web, "http://server/")
		require.Error(t, err)
		server.Restart()
		text, err = get(web, "http://server/")
		require.NoError(t, err)
		assert.Equal(t, "memory disk disk ", text)
	})
}

func TestTLS(t *testing.T) {
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "secret")
		}))
		require.NoError(t, server.Listener.Close()) // a real listener
		var err error
		server.Listener, err = sim.Host("example.com").Listen("tcp", ":443")
		require.NoError(t, err)
		server.StartTLS()
		t.Cleanup(server.Close)

		web := server.Client() // trusts the certificate, which is for example.com
		web.Transport.(*http.Transport).DialContext = sim.Host("client").DialContext
		text, err := get(web, "https://example.com/")
		require.NoError(t, err)
		assert.Equal(t, "secret", text)
		assert.Equal(t, 300*time.Millisecond, sim.Elapsed()) // TCP, TLS and the request take a round trip each
		web.CloseIdleConnections()
	})
}
