// Package coder runs github.com/coder/websocket over net/http: JSON calls, and
// pings in between.
package coder

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A call is a message, in either direction.
type call struct {
	Text string
}

// serve runs a server that answers calls in capital letters.
func serve(sim *simtest.Sim) {
	scenario.ServeHTTP(sim, func() http.Handler { return http.HandlerFunc(answer) })
}

func answer(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	for {
		var c call
		if err := wsjson.Read(r.Context(), conn, &c); err != nil {
			return
		}
		c.Text = strings.ToUpper(c.Text)
		if err := wsjson.Write(r.Context(), conn, c); err != nil {
			return
		}
	}
}

// connect connects the client.
func connect(ctx context.Context, sim *simtest.Sim) (*websocket.Conn, error) {
	transport := &http.Transport{DialContext: sim.Host("client").DialContext}
	conn, _, err := websocket.Dial(ctx, "ws://server/", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport},
	})
	if err == nil {
		conn.SetReadLimit(1 << 20)
	}
	return conn, err
}

// dial connects the client until the end of the test.
func dial(t *testing.T, sim *simtest.Sim) *websocket.Conn {
	t.Helper()
	conn, err := connect(t.Context(), sim)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// ask makes a call, and returns an error if the answer is wrong.
func ask(ctx context.Context, t *testing.T, conn *websocket.Conn, text string) error {
	t.Helper()
	if err := wsjson.Write(ctx, conn, call{text}); err != nil {
		return err
	}
	var c call
	if err := wsjson.Read(ctx, conn, &c); err != nil {
		return err
	}
	assert.Equal(t, strings.ToUpper(text), c.Text)
	return nil
}

// Bytes on the wire.
const (
	upgrade = 366 // of the request and the response
	json    = 12  // in addition to the text of a call
	mask    = 4   // of the client's messages
)

// The largest message fills 70 segments each way, and the last two of the call are
// acknowledged before the answer.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		var conn *websocket.Conn
		took := scenario.Took(func() { conn = dial(t, sim) })
		assert.Equal(t, 2*scenario.RoundTrip+scenario.Bytes(upgrade)+scenario.Headers(3+3), took, "the request is acknowledged")
		for _, c := range []struct {
			n, header, segments int
			pauses              time.Duration
		}{
			{1, 2, 3, 0}, // before the call, the response is acknowledged
			{1000, 4, 2, 0},
			{100_000, 10, 70 + 1 + 70, 2},
		} {
			took := scenario.Took(func() { assert.NoError(t, ask(t.Context(), t, conn, strings.Repeat("x", c.n))) })
			bytes := scenario.Bytes(2*(c.header+json+c.n)+mask) + scenario.Headers(c.segments)
			assert.Equal(t, scenario.RoundTrip+bytes+c.pauses*scenario.Pause, took, c.n)
		}

		// One goroutine now reads, while another pings.
		reading := conn.CloseRead(t.Context())
		took = scenario.Took(func() { assert.NoError(t, conn.Ping(t.Context())) })
		assert.Equal(t, scenario.RoundTrip+scenario.Bytes(2*(2+len("1"))+mask)+scenario.Headers(3), took, "the answer is acknowledged first")
		took = scenario.Took(func() { assert.NoError(t, conn.Close(websocket.StatusNormalClosure, "")) })
		assert.Equal(t, scenario.RoundTrip+scenario.Bytes(2*(2+2)+mask)+scenario.Headers(2), took)
		<-reading.Done()
	})
}

// A short partition costs time. During a long one the client stops waiting,
// after which the connection is unusable.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		conn := dial(t, sim)
		scenario.Cut(sim, 5*time.Second)
		took := scenario.Took(func() { assert.NoError(t, ask(t.Context(), t, conn, "hello")) })
		scenario.Retransmitted(t, 6, scenario.RoundTrip+scenario.Bytes(2*(2+json+len("hello"))+mask)+scenario.Headers(2), took)

		scenario.Cut(sim, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		took = scenario.Took(func() { assert.ErrorIs(t, ask(ctx, t, conn, "hello"), context.DeadlineExceeded) })
		assert.Equal(t, 10*time.Second, took)
		assert.ErrorIs(t, ask(t.Context(), t, conn, "hello"), net.ErrClosed)
		time.Sleep(time.Hour)
		assert.NoError(t, ask(t.Context(), t, dial(t, sim), "hello"))
	})
}

// A server that has crashed and restarted answers the next segment with a
// reset.
func TestCrash(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		conn := dial(t, sim)
		scenario.Bounce(sim, 2*time.Second)
		took := scenario.Took(func() { assert.ErrorIs(t, ask(t.Context(), t, conn, "hello"), syscall.ECONNRESET) })
		scenario.Retransmitted(t, 4, scenario.RoundTrip+scenario.Bytes(2+json+len("hello")+mask)+scenario.Headers(2), took)
		assert.NoError(t, ask(t.Context(), t, dial(t, sim), "hello"))
	})
}

// Whatever happens to the network and the server, the client reconnects and
// continues, and two runs are the same.
func TestFaults(t *testing.T) {
	scenario.Same(t, scenario.Faults(func(t *testing.T, sim *simtest.Sim) scenario.Work {
		serve(sim)
		var conn *websocket.Conn
		t.Cleanup(func() { _ = conn.CloseNow() })
		return func(ctx context.Context) (err error) {
			if conn == nil {
				if conn, err = connect(ctx, sim); err != nil {
					return err
				}
			}
			if err = ask(ctx, t, conn, "hello"); err != nil {
				_ = conn.CloseNow()
				conn = nil
			}
			return err
		}
	}))
}
