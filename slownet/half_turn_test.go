package slownet

import (
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A writer that waits while another call is in the inner connection proceeds
// when that call is done.
func TestASecondWriterIsNotForgotten(t *testing.T) {
	overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				_, err := conn.Write([]byte("x"))
				assert.NoError(t, err)
			})
		}
		time.Sleep(time.Second) // one is in the pipe, and the others wait
		for range 3 {
			_, err := far.Read(make([]byte, 1))
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		writers.Wait()
		assert.Less(t, time.Since(bubbleStart), time.Minute)
	})
}

// Bytes that one reader leaves go to the next reader that waits.
func TestASecondReaderIsNotForgotten(t *testing.T) {
	overPipe(t, bothWays(netem.Link{Latency: 100 * ms}), func(t *testing.T, conn *Conn, far net.Conn) {
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				_, err := conn.Read(make([]byte, 1))
				assert.NoError(t, err)
			})
		}
		time.Sleep(time.Second) // one is in the pipe, and the others wait
		_, err := far.Write([]byte("123"))
		require.NoError(t, err)
		readers.Wait()
		assert.Equal(t, 1100*ms, time.Since(bubbleStart))
	})
}

// A write fails at the instant of its deadline, even on a link without limits,
// whether or not the timer has fired.
func TestWriteAtItsDeadline(t *testing.T) {
	overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
		go func() {
			buffer := make([]byte, 1)
			for {
				if _, err := far.Read(buffer); err != nil {
					return
				}
			}
		}()
		for range 100 {
			require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
			time.Sleep(time.Second)
			_, err := conn.Write([]byte("x"))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	})
}

// bubbleStart is the time at which a bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
