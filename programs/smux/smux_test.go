// Package smux runs github.com/xtaci/smux: streams that share one connection.
package smux

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xtaci/smux"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	header = 8        // bytes, of each frame
	frame  = 32 << 10 // bytes of data, at most
)

// serve makes the server echo each stream.
func serve(sim *simtest.Sim) {
	scenario.Serve(sim, ":4000", func(conn net.Conn) {
		session, err := smux.Server(conn, smux.DefaultConfig())
		if err != nil {
			return
		}
		defer func() { _ = session.Close() }()
		for {
			stream, err := session.AcceptStream()
			if err != nil {
				return
			}
			go scenario.Echo(stream)
		}
	})
}

// dial starts a session on the client.
func dial(t *testing.T, sim *simtest.Sim) *smux.Session {
	t.Helper()
	conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:4000")
	require.NoError(t, err)
	session, err := smux.Client(conn, smux.DefaultConfig())
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// exchange sends n bytes on a new stream and reads them back.
func exchange(session *smux.Session, n int) error {
	stream, err := session.OpenStream()
	if err != nil {
		return err
	}
	return scenario.Exchange(stream, n)
}

// Opening a stream costs a frame and no round trip. The server answers frame by
// frame, so both directions are busy at once. Then acknowledgements wait behind the
// data of their direction, and so does everything that waits for them.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, o *scenario.Outcome) {
		serve(sim)
		session := dial(t, sim)
		assert.Equal(t, scenario.RoundTrip+scenario.Headers(2), sim.Elapsed())
		for _, c := range []struct{ n, frames, segments int }{
			{4, 3, 2 + 2}, // to open, there and back; acknowledgements before
			{1000, 3, 2},
		} {
			took := scenario.Took(func() { assert.NoError(t, exchange(session, c.n)) })
			assert.Equal(t, scenario.RoundTrip+scenario.Bytes(2*c.n+c.frames*header)+scenario.Headers(c.segments), took, c.n)
			time.Sleep(time.Second) // until its stream is closed
		}
		const large = 100_000
		took := scenario.Took(func() { assert.NoError(t, exchange(session, large)) })
		way := scenario.Bytes(large) + scenario.Headers(scenario.Segments(large))
		assert.Greater(t, took, scenario.RoundTrip+scenario.Bytes(frame)+way, "the first frame, and back all")
		assert.Less(t, took, scenario.RoundTrip+2*way)
		o.Note("%v", took)
	})
}

// Ten streams share the link, in turns chosen by smux. TCP does not fill the link
// at first: its windows are small, and their acknowledgements wait behind the data
// of the other direction. So all ten take longer than their bytes, but not twice as
// long.
//
// A segment has the end of one stream and the beginning of the next, so the
// server's goroutines race for the order in which they send.
func TestTenStreams(t *testing.T) {
	scenario.Alike(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		session := dial(t, sim)
		time.Sleep(time.Second)
		const n = 10_000
		first := scenario.RoundTrip + scenario.Bytes(2*n+3*header) + scenario.Headers(7+7)
		least := first + 9*(scenario.Bytes(n+2*header)+scenario.Headers(7)-time.Millisecond)
		var all sync.WaitGroup
		took := scenario.Took(func() {
			for i := range 10 { // which smux sends in turns
				all.Go(func() {
					took := scenario.Took(func() { assert.NoError(t, exchange(session, n)) })
					assert.GreaterOrEqual(t, took, first, i)
				})
				time.Sleep(time.Millisecond)
			}
			all.Wait()
		})
		assert.GreaterOrEqual(t, took, least)
		assert.Less(t, took, 2*least)
	})
}

// A short partition costs time. In a long one nothing arrives for half a
// minute, and the session ends. It checks every 30 seconds, and had received
// data before the first check.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		session := dial(t, sim)
		start := sim.Elapsed()
		assert.NoError(t, exchange(session, 1000))
		time.Sleep(time.Second) // until its stream is closed
		scenario.Cut(sim, 5*time.Second)
		took := scenario.Took(func() { assert.NoError(t, exchange(session, 1000)) })
		scenario.Retransmitted(t, 6, scenario.RoundTrip+scenario.Bytes(2*1000+3*header)+scenario.Headers(2), took)

		scenario.Cut(sim, time.Hour)
		<-session.CloseChan()
		assert.Equal(t, start+2*smux.DefaultConfig().KeepAliveTimeout, sim.Elapsed())
		assert.ErrorIs(t, exchange(session, 1000), io.ErrClosedPipe)
		time.Sleep(time.Hour)
		assert.NoError(t, exchange(dial(t, sim), 1000))
	})
}

// A server that has crashed and restarted answers the next frame with a reset.
func TestCrash(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		session := dial(t, sim)
		assert.NoError(t, exchange(session, 1000))
		time.Sleep(time.Second) // until its stream is closed
		scenario.Bounce(sim, 2*time.Second)
		took := scenario.Took(func() { assert.ErrorIs(t, exchange(session, 1000), syscall.ECONNRESET) })
		scenario.Retransmitted(t, 4, scenario.RoundTrip+scenario.Bytes(2*header+1000)+scenario.Headers(2), took)
		assert.NoError(t, exchange(dial(t, sim), 1000))
	})
}

// Whatever happens to the network and the server, the client reconnects and
// continues. Data written during a loss recovery arrives at once. So the end of one
// stream and the beginning of the next may be in one segment, and then the server's
// goroutines race for the order in which they send.
func TestFaults(t *testing.T) {
	scenario.Alike(t, scenario.Faults(func(t *testing.T, sim *simtest.Sim) scenario.Work {
		serve(sim)
		var session *smux.Session
		t.Cleanup(func() { _ = session.Close() })
		return func(ctx context.Context) error {
			if session == nil || session.IsClosed() {
				conn, err := sim.Host("client").DialContext(ctx, "tcp", "server:4000")
				if err != nil {
					return err
				}
				if session, err = smux.Client(conn, nil); err != nil {
					return err
				}
			}
			err := exchange(session, 1000)
			if err != nil {
				_ = session.Close()
			}
			return err
		}
	}))
}
