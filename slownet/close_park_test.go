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

// A stubbornClock's timers fire although they were stopped, as one does that is
// under way already.
type stubbornClock struct{ clock.Clock }

func (c stubbornClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	time.AfterFunc(d, f)
	return c.Clock.AfterFunc(d, func() {})
}

// However a fault meets a closed connection, its bytes arrive once: before its
// timer fires, which may be too late to stop that, or while the inner connection
// takes them.
func TestAFaultOfAClosedConnectionDoublesNothing(t *testing.T) {
	for _, at := range []time.Duration{500 * ms, 1500 * ms} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			conn := NewConn(near, Config{Write: netem.Link{Latency: time.Second}, Clock: stubbornClock{clock.New()}})
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

// The end of the stream is not late on a clock that is moved while the connection
// is closed.
func TestCloseOnAClockThatMovesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := &movingClock{Mock: clock.NewMock()}
		inner := newSink()
		conn := NewConn(inner, Config{Write: netem.Link{Latency: time.Second}, Clock: mock})
		mock.by = 500 * ms // before the end is waited for
		require.NoError(t, conn.Close())
		mock.Add(500 * ms)
		synctest.Wait()
		_, closed := inner.got()
		assert.NotEqual(t, time.Duration(-1), closed, "the inner connection is closed")
		mock.Add(time.Hour)
	})
}
