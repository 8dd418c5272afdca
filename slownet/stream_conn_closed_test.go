package slownet_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A closed connection returns net.ErrClosed, even if its deadlines have passed.
// A second CloseWrite does no harm, as on a socket.
func TestClosedComesBeforeDeadline(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	for _, link := range []netem.Link{{}, {Latency: 1}} {
		inner, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		conn := slownet.NewConn(inner, slownet.Config{Write: link})
		require.NoError(t, conn.CloseWrite())
		assert.NoError(t, conn.CloseWrite())
		require.NoError(t, conn.SetDeadline(time.Now().Add(-1)))
		require.NoError(t, conn.Close())
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = conn.Write(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
	}
}
