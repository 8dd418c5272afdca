package slownet

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After SetLinks a retransmission of an ideal stream is timed by the round-trip time of the
// new links: 400 ms + 4 x 200 ms.
func TestSetLinksChangesTheRoundTrip(t *testing.T) {
	there, back := harmless(100*ms), netem.Link{Latency: 300 * ms}
	faulty := netem.Link{Latency: 100 * ms, Loss: everyOther}
	want := time.Second + 1200*ms + 100*ms // lost once, and retransmitted
	overPipe(t, ideal(Config{}), func(t *testing.T, conn *Conn, far net.Conn) {
		conn.SetLinks(back, there)
		for _, want := range []time.Duration{100 * ms, want} {
			_, err := conn.Write([]byte("x"))
			require.NoError(t, err)
			_, err = far.Read(make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, want, time.Since(bubbleStart), "written")
			time.Sleep(time.Until(bubbleStart.Add(time.Second)))
			conn.SetLinks(back, faulty)
		}
	})
	overPipe(t, ideal(Config{}), func(t *testing.T, conn *Conn, far net.Conn) {
		conn.SetLinks(there, back)
		for _, want := range []time.Duration{100 * ms, want} {
			go func() { _, _ = far.Write([]byte("x")) }()
			_, err := conn.Read(make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, want, time.Since(bubbleStart), "read")
			time.Sleep(time.Until(bubbleStart.Add(time.Second)))
			conn.SetLinks(faulty, back)
		}
	})
}

// A call that ends at its deadline does not end the delay of a connection: the
// next call waits for the rest of it.
func TestADelayOutlastsADeadline(t *testing.T) {
	overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
		conn.delay(time.Second)
		require.NoError(t, conn.SetDeadline(time.Now().Add(100*ms)))
		_, err := conn.Write([]byte("late"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = conn.Read(make([]byte, 4))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, conn.SetDeadline(time.Time{}))

		arrived := readOnce(far)
		_, err = conn.Write([]byte("word"))
		require.NoError(t, err)
		assert.Equal(t, arrival{4, 900 * ms}, <-arrived)
	})
	overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
		conn.delay(time.Second)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*ms)))
		_, err := conn.Read(make([]byte, 4))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, conn.SetReadDeadline(time.Time{}))

		go func() { _, _ = far.Write([]byte("word")) }()
		_, err = conn.Read(make([]byte, 4))
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(bubbleStart))
	})
}

// harmless is a link whose impairments almost never occur, so that it has
// packets and round trips are measured.
func harmless(latency time.Duration) netem.Link {
	return netem.Link{Latency: latency, Duplicate: netem.Chance{Probability: 1e-9}}
}

// everyOther loses the first packet, the third, and so on.
var everyOther = netem.Loss{Markov: netem.Markov{P14: 1}}
