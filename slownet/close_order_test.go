package slownet

import (
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A slowCloser is an inner connection whose Close takes a while before it does
// anything, and whose blocked reads may then return another error.
type slowCloser struct {
	net.Conn
	before func()
	end    error // of a blocked read, if not nil
}

func (s *slowCloser) Close() error {
	s.before()
	return s.Conn.Close()
}

func (s *slowCloser) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err == io.ErrClosedPipe && s.end != nil {
		err = s.end
	}
	return n, err
}

// If nothing is in flight, blocked calls return after the inner connection is
// closed, and not before: the caller of Close may hold a lock that they want
// next, as net/http does.
func TestCloseWakesBlockedCallsAfterTheInnerConnection(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		linger int
		ends   error
	}{
		"no limits":         {Config{}, -1, nil},
		"no limits, traced": {Config{Trace: func(trace.Event) {}}, -1, nil},
		"latency":           {Config{Read: netem.Link{Latency: time.Minute}}, -1, nil},
		"latency, ideal":    {ideal(Config{Read: netem.Link{Latency: time.Minute}}), -1, nil},
		"reset":             {bothWays(netem.Link{Latency: time.Minute}), 0, nil},
		"inner EOF":         {Config{}, -1, io.EOF},
		"inner timeout":     {Config{}, -1, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				woken := make(chan error, 3)
				inner := &slowCloser{Conn: near, end: test.ends, before: func() {
					time.Sleep(time.Second)
					assert.Empty(t, woken)
				}}
				conn := NewConn(inner, test.config)
				require.NoError(t, conn.SetLinger(test.linger))
				for range 2 {
					go func() {
						_, err := conn.Read(make([]byte, 1))
						woken <- err
					}()
				}
				blocked := 2
				if test.config.Read.Latency == 0 || test.config.TCP.Congestion == netem.Unlimited { // otherwise the send buffer accepts the bytes
					blocked++
					go func() {
						_, err := conn.Write([]byte("nobody reads it"))
						woken <- err
					}()
				}
				assertClosesInASecond(t, conn, woken, blocked)
			})
		})
	}
}

// assertClosesInASecond closes a connection, and expects the blocked calls to return
// when the inner connection is closed, which takes a second.
func assertClosesInASecond(t *testing.T, conn io.Closer, woken <-chan error, blocked int) {
	t.Helper()
	synctest.Wait()
	start := time.Now()
	require.NoError(t, conn.Close())
	assert.ErrorIs(t, conn.Close(), net.ErrClosed)
	for range blocked {
		assert.ErrorIs(t, <-woken, net.ErrClosed)
	}
	assert.Equal(t, time.Second, time.Since(start))
}

// Blocked calls of a datagram connection also return only after its inner connection
// is closed.
func TestPacketCloseWakesBlockedCallsAfterTheInnerConnection(t *testing.T) {
	for name, link := range map[string]netem.Link{"no limits": {}, "a latency": {Latency: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memoryPair()
				near.full = true
				woken := make(chan error, 2)
				inner := &slowPacketCloser{near, func() {
					time.Sleep(time.Second)
					assert.Empty(t, woken)
				}}
				conn := NewPacketConn(inner, bothWays(link))
				go func() {
					_, _, err := conn.ReadFrom(make([]byte, 1))
					woken <- err
				}()
				blocked := 1
				if link.IsZero() {
					blocked++
					go func() {
						_, err := conn.WriteTo([]byte("there is no room"), far.name)
						woken <- err
					}()
				}
				assertClosesInASecond(t, conn, woken, blocked)
			})
		})
	}
}

type slowPacketCloser struct {
	*memoryConn
	before func()
}

func (s *slowPacketCloser) Close() error {
	s.before()
	return s.memoryConn.Close()
}
