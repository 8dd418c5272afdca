package slownet_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// After Close, the connection drains until the inner connection has accepted
// nothing for five seconds.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		conn := slownet.NewConn(near, slownet.Config{Write: netem.Link{Latency: time.Second}})
		_, err := conn.Write(make([]byte, 1000))
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, conn.Close())
		assert.Zero(t, time.Since(start))
		assert.ErrorContains(t, conn.Drain(t.Context()), "the last 1000 bytes")
		assert.Equal(t, time.Second+5*time.Second, time.Since(start))
	})
}

// A peer that reads a part of a large piece every few seconds receives all of
// it, however long that takes.
func TestCloseAndALargePiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 320 << 10
		near, far := net.Pipe()
		conn := slownet.NewConn(near, slownet.Config{Write: netem.Link{Latency: time.Millisecond}})
		got := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			buffer := make([]byte, 64<<10)
			for {
				time.Sleep(4 * time.Second)
				n, err := io.ReadFull(far, buffer)
				if got += n; err != nil {
					return
				}
			}
		}()
		_, err := conn.Write(make([]byte, size))
		require.NoError(t, err)
		assert.NoError(t, conn.Close())
		assert.NoError(t, conn.Drain(t.Context()))
		<-done
		assert.Equal(t, size, got)
	})
}
