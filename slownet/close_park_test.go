package slownet

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fault of a closed connection does not duplicate its bytes, whether it happens
// before the connection's timer fires, when it may be too late to stop the timer, or
// while the inner connection accepts the bytes.
func TestAFaultOfAClosedConnectionDoublesNothing(t *testing.T) {
	for _, at := range []time.Duration{500 * ms, 1500 * ms} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			conn := NewConn(near, Config{Write: netem.Link{Latency: time.Second}, Clock: lateClock{Clock: clock.New()}})
			_, err := conn.Write([]byte("word"))
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			time.Sleep(at)
			conn.SetLinks(netem.Link{}, netem.Link{})
			time.Sleep(2*time.Second - at)
			got, err := io.ReadAll(far)
			require.NoError(t, err)
			assert.Equal(t, "word", string(got))
			_ = far.Close()
		})
	}
}

// Two faults at once do not duplicate the bytes of a closed connection. Over TCP,
// bytes that still needed a second when the stall began arrive a second after it has
// ended.
func TestTwoFaultsOfAClosedConnectionDoubleNothing(t *testing.T) {
	for i, tcp := range streams {
		arrive := []time.Duration{3 * time.Second, 2 * time.Second}[i]
		synctest.Test(t, func(t *testing.T) {
			inner := newSink()
			slow := &midwayConn{inner, func() { time.Sleep(time.Second) }}
			conn := NewConn(slow, Config{Write: netem.Link{Latency: time.Second}, TCP: tcp})
			_, err := conn.Write([]byte("word"))
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			conn.Stall()
			time.Sleep(2 * time.Second)
			conn.Resume()
			conn.SetLinks(netem.Link{}, netem.Link{})
			require.NoError(t, conn.Drain(t.Context()))
			got, closed := inner.got()
			assert.Equal(t, []arrival{{4, arrive}}, got)
			assert.Equal(t, arrive+time.Second, closed)
		})
	}
}

// The end of the stream is not late on a clock that is advanced while the
// connection is closed.
func TestCloseOnAClockThatMovesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := &movingClock{Mock: clock.NewMock()}
		inner := newSink()
		conn := NewConn(inner, Config{Write: netem.Link{Latency: time.Second}, Clock: mock})
		mock.by = 500 * ms // before the wait for the end begins
		require.NoError(t, conn.Close())
		mock.Add(500 * ms)
		synctest.Wait()
		_, closed := inner.got()
		assert.NotEqual(t, time.Duration(-1), closed, "the inner connection is closed")
		mock.Add(time.Hour)
	})
}
