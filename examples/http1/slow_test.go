package http1

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The first request costs two round trips, one for connecting and one for the request.
// The next request finds the connection open, and costs one round trip.
func TestKeepAlive(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello)})
		client := newClient(t, sim.Host("client"))

		body, took := get(t, client, "http://server/")
		assert.Equal(t, "hello", body)
		assert.Equal(t, 2*roundTrip, took)

		_, took = get(t, client, "http://server/")
		assert.Equal(t, roundTrip, took)

		client.CloseIdleConnections()
		_, took = get(t, client, "http://server/")
		assert.Equal(t, 2*roundTrip, took)

		assert.Equal(t, 5*roundTrip, sim.Elapsed())
	})
}

// Without keep-alive every request connects.
func TestNoKeepAlive(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello)})
		client := newClient(t, sim.Host("client"))
		client.Transport.(*http.Transport).DisableKeepAlives = true
		for range 3 {
			_, took := get(t, client, "http://server/")
			assert.Equal(t, 2*roundTrip, took)
		}
	})
}

// At 8 kbit/s a byte takes a millisecond. The SYN-ACK and the acknowledgement of the
// request come before the page. The page is sent at once, as its seven segments are
// less than the initial window of ten. The retransmission timer expires before all of
// them have passed, but its retransmissions come after them.
func TestSlowLink(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("server", "client", netem.Link{Latency: oneWay, Rate: 8 * netem.Kbps})
		serve(t, sim, &http.Server{Handler: page(10000)})
		body, took := get(t, newClient(t, sim.Host("client")), "http://server/")
		assert.Len(t, body, 10000)
		assert.Equal(t, 2*roundTrip+2*header+transmission(10000), took)
	})
}

// page is a handler that answers with n bytes.
func page(size int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = io.WriteString(w, strings.Repeat("x", size))
	}
}

// header is the time of a segment's headers at a byte a millisecond, and so of
// a segment without payload.
const header = netem.HeaderSize * time.Millisecond

// transmission is the time of page's answer, including the headers of HTTP and
// of its segments.
func transmission(size int) time.Duration {
	payload := size + len("HTTP/1.1 200 OK\r\n"+
		"Content-Length: \r\n"+
		"Content-Type: text/plain\r\n"+
		"Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"+
		"\r\n") + len(fmt.Sprint(size))
	segments := (payload + netem.MSS - 1) / netem.MSS
	return time.Duration(payload)*time.Millisecond + time.Duration(segments)*header
}

// Three downloads at once share a bottleneck, which is never idle from the first
// request on. The last one ends when all three have passed, each with an
// acknowledgement of its request. Before that there is the first SYN-ACK; the
// others pass while the first client sends its request.
func TestBottleneck(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		bottleneck := netem.NewBottleneck(8 * netem.Kbps)
		serve(t, sim, &http.Server{Handler: page(10000)})
		var downloads sync.WaitGroup
		for _, name := range []string{"client1", "client2", "client3"} {
			sim.SetLink(name, "server", netem.Link{Latency: oneWay})
			sim.SetLink("server", name, netem.Link{Latency: oneWay, Bottleneck: bottleneck})
			client := newClient(t, sim.Host(name))
			downloads.Go(func() {
				response, err := client.Get("http://server/")
				if assert.NoError(t, err) {
					_, err = io.Copy(io.Discard, response.Body)
					assert.NoError(t, err)
					assert.NoError(t, response.Body.Close())
				}
			})
		}
		downloads.Wait()
		assert.Equal(t, 2*roundTrip+header+3*(header+transmission(10000)), sim.Elapsed())
	})
}

// A client with a timeout of five seconds waits for five seconds. Its server
// learns of it when the end of the connection arrives.
func TestClientTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		gaveUp := make(chan time.Duration, 1)
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			gaveUp <- sim.Elapsed()
		})})
		client := newClient(t, sim.Host("client"))
		client.Timeout = 5 * time.Second

		_, err := client.Get("http://server/")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, sim.Elapsed())
		assert.Equal(t, 5*time.Second+oneWay, <-gaveUp)
	})
}

// A timeout includes the body: the header arrives, but the rest comes too slowly.
func TestClientTimeoutInBody(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("server", "client", netem.Link{Latency: oneWay, Rate: 8 * netem.Kbps})
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 10000))
		})})
		client := newClient(t, sim.Host("client"))
		client.Timeout = 5 * time.Second

		response, err := client.Get("http://server/")
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, sim.Elapsed())
		assert.NoError(t, response.Body.Close())
	})
}

// A server with a read timeout of three seconds counts from the acceptance of
// the connection, and closes the connection of a client that sends too slowly.
// As for any request that ends within its first line, it answers with "bad
// request".
func TestServerReadTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello), ReadTimeout: 3 * time.Second})
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:80")
		require.NoError(t, err)
		assert.Equal(t, roundTrip, sim.Elapsed())
		go func() {
			for _, char := range "GET / HTTP/1.1\r\nHost: server\r\n\r\n" {
				if _, err := fmt.Fprintf(conn, "%c", char); err != nil {
					return
				}
				time.Sleep(700 * time.Millisecond)
			}
		}()
		// The server has the connection half a round trip after the client, and the server's
		// close takes the same time to arrive.
		answer, err := io.ReadAll(conn)
		assert.NoError(t, err)
		assert.Regexp(t, "^HTTP/1.1 400 Bad Request\r\n", string(answer))
		assert.Equal(t, roundTrip+oneWay+3*time.Second+oneWay, sim.Elapsed())
		assert.NoError(t, conn.Close())
	})
}

// A body that comes too slowly fails the handler's read after the same timeout.
// The server has the connection when the SYN and the acknowledgement of its SYN-ACK
// have arrived.
func TestServerReadTimeoutInBody(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		ended := make(chan time.Duration, 1)
		serve(t, sim, &http.Server{ReadTimeout: 3 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			ended <- sim.Elapsed()
		})})
		sim.SetLink("client", "server", netem.Link{Latency: oneWay, Rate: 8 * netem.Kbps})
		response, err := newClient(t, sim.Host("client")).Post("http://server/", "text/plain", strings.NewReader(strings.Repeat("x", 100000)))
		if err == nil {
			_ = response.Body.Close()
		}
		assert.Equal(t, roundTrip+oneWay+2*header+3*time.Second, <-ended)
	})
}

// A server closes a connection that is idle for ten seconds. A request that
// crosses the close is sent again on a new connection by the client.
func TestIdleTimeout(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, &http.Server{Handler: http.HandlerFunc(hello), IdleTimeout: 10 * time.Second})
		client := newClient(t, sim.Host("client"))
		idleFrom := func() time.Duration { // when the server begins to wait
			_, _ = get(t, client, "http://server/")
			return sim.Elapsed() - oneWay
		}

		// In time.
		closes := idleFrom() + 10*time.Second
		time.Sleep(closes - sim.Elapsed() - oneWay - 1)
		_, took := get(t, client, "http://server/")
		assert.Equal(t, roundTrip, took)

		// In flight when the server closes, which the client learns oneWay
		// later; then it reconnects and asks again.
		closes = idleFrom() + 10*time.Second
		time.Sleep(closes - sim.Elapsed() - oneWay/2)
		_, took = get(t, client, "http://server/")
		assert.Equal(t, oneWay/2+oneWay+2*roundTrip, took)

		// Too late: the client knows.
		closes = idleFrom() + 10*time.Second
		time.Sleep(closes - sim.Elapsed() + oneWay + 1)
		_, took = get(t, client, "http://server/")
		assert.Equal(t, 2*roundTrip, took)
	})
}
