package http2

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// At 8 kbit/s a byte takes a millisecond. The bytes of a page, including the overhead
// of TLS and HTTP/2, are counted where they arrive; TCP adds a header to each
// segment.
//
// There is a little more on the link. TCP's timer knows only the fast link, and
// retransmits one segment without need. And HTTP/2's window updates are acknowledged,
// unless data goes back at that time. The initial window is longer than a round trip
// here, so the link is never idle.
func TestSlowLink(t *testing.T) {
	const page = 100_000
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page" {
				_, _ = io.WriteString(w, strings.Repeat("x", page))
			}
		})
		var arrived atomic.Int64
		transport := newTransport(t, sim)
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := sim.Host("client").DialContext(ctx, network, address)
			return &counter{conn, &arrived}, err
		}
		client := &http.Client{Transport: transport}
		fetch := func(url string) int64 {
			response, err := client.Get(url)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			return n
		}
		fetch("https://server/") // connects, while the link is fast

		sim.SetLink("server", "client", netem.Link{Latency: oneWay, Rate: 8 * netem.Kbps})
		start, before := sim.Elapsed(), arrived.Load()
		assert.EqualValues(t, page, fetch("https://server/page"))
		bytes := arrived.Load() - before
		segments := (bytes + netem.MSS - 1) / netem.MSS
		least := roundTrip + time.Duration(bytes+segments*netem.HeaderSize)*time.Millisecond
		again := (netem.MSS + netem.HeaderSize) * time.Millisecond
		assert.GreaterOrEqual(t, sim.Elapsed()-start, least+again)
		assert.Less(t, sim.Elapsed()-start, least+again+20*netem.HeaderSize*time.Millisecond)
		assert.InEpsilon(t, page, bytes, 0.02, "TLS and HTTP/2 add little")
	})
}

// A counter counts the bytes read from a connection.
type counter struct {
	net.Conn
	read *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// A page that is sent line by line arrives line by line.
func TestLines(t *testing.T) {
	const lines = 5
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim, func(w http.ResponseWriter, _ *http.Request) {
			for i := range lines {
				time.Sleep(time.Second)
				_, _ = fmt.Fprintln(w, i+1)
				_ = http.NewResponseController(w).Flush()
			}
		})
		client := &http.Client{Transport: newTransport(t, sim)}
		response, err := client.Get("https://server/")
		require.NoError(t, err)
		line := 0
		for text := bufio.NewScanner(response.Body); text.Scan(); {
			line++
			assert.Equal(t, fmt.Sprint(line), text.Text())
			assert.Equal(t, connecting+roundTrip+time.Duration(line)*time.Second, sim.Elapsed())
		}
		assert.Equal(t, lines, line)
		assert.NoError(t, response.Body.Close())
	})
}

// A canceled request ends at the server half a round trip later. Its connection stays
// open, unlike with HTTP/1.1.
func TestCancel(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		ended := make(chan time.Duration, 1)
		serve(t, sim, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-r.Context().Done()
				ended <- sim.Elapsed()
			}
			hello(w, r)
		})
		client := &http.Client{Transport: newTransport(t, sim)}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://server/slow", nil)
		require.NoError(t, err)
		_, err = client.Do(request)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, sim.Elapsed())
		assert.Equal(t, 5*time.Second+oneWay, <-ended)
		assert.Equal(t, roundTrip, get(t, client))
	})
}
