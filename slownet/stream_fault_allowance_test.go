package slownet

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A midwayConn calls a function in the middle of each Read and Write.
type midwayConn struct {
	net.Conn
	midway func()
}

func (c *midwayConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.midway()
	return n, err
}

func (c *midwayConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.midway()
	return n, err
}

// CloseAfter counts from its call: bytes that a call in progress has written or
// read by then do not count.
func TestCloseAfterInTheMiddleOfACall(t *testing.T) {
	pair := func(t *testing.T, direction Direction) (conn *Conn, far net.Conn) {
		near, far := rawTCPPair(t)
		inner := &midwayConn{Conn: near}
		// The trace makes each call go through the half, and not around it.
		conn = NewConn(inner, Config{Trace: func(trace.Event) {}})
		inner.midway = func() {
			inner.midway = func() {}
			conn.CloseAfter(direction, 4)
		}
		conn.CloseAfter(direction, 1000)
		return conn, far
	}
	t.Run("Write", func(t *testing.T) {
		conn, far := pair(t, Write)
		n, err := conn.Write(make([]byte, 10))
		assert.Equal(t, 10, n)
		require.NoError(t, err)
		n, err = conn.Write(make([]byte, 10))
		assert.Equal(t, 4, n)
		require.ErrorIs(t, err, syscall.EPIPE)
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		assert.Len(t, got, 14)
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	})
	t.Run("Read", func(t *testing.T) {
		conn, far := pair(t, Read)
		_, err := far.Write(make([]byte, 20))
		require.NoError(t, err)
		n, err := conn.Read(make([]byte, 10))
		assert.Equal(t, 10, n)
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Len(t, got, 4)
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	})
}
