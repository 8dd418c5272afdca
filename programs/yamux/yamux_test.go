// Package yamux runs github.com/hashicorp/yamux: streams that share one
// connection.
package yamux

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const header = 12 // bytes, of each frame

func config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	return c
}

// serve makes the server echo each stream.
func serve(sim *simtest.Sim) {
	scenario.Serve(sim, ":4000", func(conn net.Conn) {
		session, err := yamux.Server(conn, config())
		if err != nil {
			return
		}
		defer func() { _ = session.Close() }()
		for {
			stream, err := session.Accept()
			if err != nil {
				return
			}
			go scenario.Echo(stream)
		}
	})
}

// dial starts a session on the client.
func dial(t *testing.T, sim *simtest.Sim) *yamux.Session {
	t.Helper()
	conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:4000")
	require.NoError(t, err)
	session, err := yamux.Client(conn, config())
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// exchange sends n bytes on a new stream and reads them back.
func exchange(session *yamux.Session, n int) error {
	stream, err := session.Open()
	if err != nil {
		return err
	}
	return scenario.Exchange(stream, n)
}

// Opening a stream costs a frame and no round trip. The server accepts it with
// another frame.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		session := dial(t, sim)
		assert.Equal(t, scenario.RoundTrip+scenario.Headers(2), sim.Elapsed())
		for _, c := range []struct{ n, frames, segments int }{
			{4, 4, 2 + 2}, // to open, there, to accept and back; acknowledgements before
			{1000, 4, 2},
		} {
			took := scenario.Took(func() { assert.NoError(t, exchange(session, c.n)) })
			assert.Equal(t, scenario.RoundTrip+scenario.Bytes(2*c.n+c.frames*header)+scenario.Headers(c.segments), took, c.n)
			time.Sleep(time.Second) // until its stream is closed
		}
	})
}

// The server answers when it has the client's whole frame, in frames of at most 32
// KiB.
//
// yamux reads a frame with a mutex locked that it also needs for accepting the
// stream. In the simulator time stands still while a goroutine waits for a mutex, so
// the rest of the frame never comes, unless it comes with the beginning. So this
// needs ideal streams, where the bytes of one write arrive together.
func TestLargeFrames(t *testing.T) {
	scenario.SameIdeal(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		session := dial(t, sim)
		assert.NoError(t, exchange(session, 4))
		const n = 100_000
		took := scenario.Took(func() { assert.NoError(t, exchange(session, n)) })
		// One frame closes the last stream, one opens; there in one, back in four.
		assert.Equal(t, scenario.RoundTrip+scenario.Bytes(2*n+7*header), took)

		// Ten streams share the link, so each waits for those before it.
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				const n = 10_000
				took := scenario.Took(func() { assert.NoError(t, exchange(session, n)) })
				first := scenario.RoundTrip + scenario.Bytes(2*n+4*header)
				each := scenario.Bytes(n+2*header) - time.Millisecond
				assert.Equal(t, first+time.Duration(i)*each, took, i)
			})
			time.Sleep(time.Millisecond)
		}
		all.Wait()
	})
}

// A short partition costs time. In a long one a ping is not answered, and the
// session ends.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		session := dial(t, sim)
		start := sim.Elapsed()
		assert.NoError(t, exchange(session, 1000))
		time.Sleep(time.Second) // until its stream is closed
		scenario.Cut(sim, 5*time.Second)
		took := scenario.Took(func() { assert.NoError(t, exchange(session, 1000)) })
		scenario.Retransmitted(t, 6, scenario.RoundTrip+scenario.Bytes(2*1000+4*header)+scenario.Headers(2), took)

		scenario.Cut(sim, time.Hour)
		<-session.CloseChan()
		assert.Equal(t, start+config().KeepAliveInterval+config().ConnectionWriteTimeout, sim.Elapsed())
		assert.ErrorIs(t, exchange(session, 1000), yamux.ErrSessionShutdown)
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
		took := scenario.Took(func() { assert.ErrorIs(t, exchange(session, 1000), io.EOF) })
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
		var session *yamux.Session
		t.Cleanup(func() { _ = session.Close() })
		return func(ctx context.Context) error {
			if session == nil || session.IsClosed() {
				conn, err := sim.Host("client").DialContext(ctx, "tcp", "server:4000")
				if err != nil {
					return err
				}
				if session, err = yamux.Client(conn, config()); err != nil {
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
