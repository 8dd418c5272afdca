package slownet

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A writer that is about to wait when the connection is closed is told that it
// is closed, and not that its deadline has passed.
func TestCloseAsAWriterBeginsToWait(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	for range 100 {
		s := newSender(near, NewConn(near, Config{}).clock, Link{Latency: time.Second})
		d := newDeadline(s.clock, func(time.Time) error { return nil })
		s.refuse()
		d.close()
		require.Equal(t, net.ErrClosed, await(s, make(chan struct{}), d))
	}
	require.NoError(t, near.Close())
}
