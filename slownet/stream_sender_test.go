package slownet

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The pace's wait on an ideal stream comes after the bytes written, even if a
// deadline has cut the write short.
func TestPaceAfterAWriteThatWasCutShort(t *testing.T) {
	link := netem.Link{Pace: netem.Pace{Bytes: 1000, Wait: 10 * time.Second}, Rate: 8 * netem.Kbps, MTU: 100} // 100 ms a packet
	overPipe(t, ideal(Config{Write: link}), func(t *testing.T, conn *Conn, far net.Conn) {
		arrivals := readAll(far)
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(250*ms)))
		n, err := conn.Write(make([]byte, 1000))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 300, n)
		require.NoError(t, conn.SetWriteDeadline(time.Time{}))
		_, err = conn.Write(make([]byte, 100))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		assert.Equal(t, []arrival{{100, 100 * ms}, {100, 200 * ms}, {100, 300 * ms}, {100, 10400 * ms}, {0, 20400 * ms}}, <-arrivals)
	})
}

// Bytes that an ideal stream has lost for good do not arrive, although the bytes before
// them arrive at the same time.
func TestBytesLostForGoodDoNotArrive(t *testing.T) {
	link := netem.Link{Latency: time.Hour}
	overPipe(t, ideal(Config{Write: link}), func(t *testing.T, conn *Conn, far net.Conn) {
		_, err := conn.Write([]byte("good"))
		require.NoError(t, err)
		link.Loss = netem.Loss{Random: 1}
		conn.SetLinks(netem.Link{}, link)
		_, err = conn.Write([]byte("lost"))
		require.NoError(t, err)
		conn.Stall()
		time.Sleep(24 * time.Hour)
		conn.Resume()
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		assert.Equal(t, "good", string(got))
		_, err = conn.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}

// After a stall, waiting bytes of an ideal stream enter the link, and take their
// time.
func TestQueueAfterAShortStall(t *testing.T) {
	overPipe(t, ideal(bothWays(netem.Link{Rate: 12 * netem.Kbps, Queue: netem.Queue{Bytes: 10000}})), func(t *testing.T, conn *Conn, far net.Conn) {
		arrivals := readAll(far)
		_, err := conn.Write(make([]byte, 3000))
		require.NoError(t, err)
		time.Sleep(990 * ms)
		conn.Stall()
		time.Sleep(60 * ms)
		conn.Resume()
		require.NoError(t, conn.Close())
		assert.Equal(t, []arrival{{1500, 1050 * ms}, {1500, 2050 * ms}, {0, 2050 * ms}}, <-arrivals)
	})
}
