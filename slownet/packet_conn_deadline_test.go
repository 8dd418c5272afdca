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

func TestPacketDeadlines(t *testing.T) {
	for _, link := range []netem.Link{{}, {Latency: ms}} {
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			start := time.Now()
			require.NoError(t, c.SetDeadline(start.Add(time.Second)))
			_, _, err := c.ReadFrom(make([]byte, 1))
			assertTimeout(t, err)
			assert.Equal(t, time.Second, time.Since(start))
			_, err = c.WriteTo([]byte("late"), far.name)
			assertTimeout(t, err)

			far.send(t, "there already")
			_, _, err = c.ReadFrom(make([]byte, 1))
			assertTimeout(t, err)
			require.NoError(t, c.SetDeadline(time.Time{}))
			assert.Equal(t, []sent{{"there already", time.Second + link.Latency}}, receive(t, c, 1))
			writeTo(t, c, "on")
			time.Sleep(time.Second)
			assert.Len(t, far.got(), 1)

			go func() { // moving a deadline wakes a call that already waits
				time.Sleep(time.Second)
				assert.NoError(t, c.SetReadDeadline(time.Now()))
			}()
			start = time.Now()
			_, _, err = c.ReadFrom(make([]byte, 1))
			assertTimeout(t, err)
			assert.Equal(t, time.Second, time.Since(start))
		})
	}
}

func assertTimeout(t *testing.T, err error) {
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
}

// At the very instant of a deadline nothing is read or written, in every run,
// even while datagrams are in flight.
func TestPacketDeadlineTies(t *testing.T) {
	for range 100 {
		packetBubble(t, Config{Read: netem.Link{Latency: 100 * ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			require.NoError(t, c.SetDeadline(time.Now().Add(100*ms)))
			far.send(t, "just too late")
			_, _, err := c.ReadFrom(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			_, err = c.WriteTo(nil, far.name)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	}
}
