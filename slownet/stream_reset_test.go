package slownet

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nameOfError returns the name of an error that a reset causes.
func nameOfError(err error) string {
	for name, want := range map[string]error{"RESET": syscall.ECONNRESET, "PIPE": syscall.EPIPE, "EOF": io.EOF, "NOTCONN": syscall.ENOTCONN} {
		if errors.Is(err, want) {
			return name
		}
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// do reads, writes and ends the stream, as given by the letters R, W and C, and
// returns the errors.
func do(conn net.Conn, calls string) string {
	var results []string
	for _, call := range calls {
		var err error
		switch call {
		case 'R':
			_, err = conn.Read(make([]byte, 2))
		case 'W':
			_, err = conn.Write([]byte("x"))
		case 'C':
			err = conn.(halfCloser).CloseWrite()
		}
		results = append(results, nameOfError(err))
	}
	return strings.Join(results, " ")
}

// After a reset by the peer, the first call that meets it fails with
// ECONNRESET; then there is nothing to read, and writes fail with EPIPE. That
// holds on any link, and without a wrapper.
func TestResetByThePeer(t *testing.T) {
	t.Parallel()
	wrappers := map[string]func(net.Conn) net.Conn{"plain": func(c net.Conn) net.Conn { return c }}
	for name, link := range links {
		wrappers[name] = func(c net.Conn) net.Conn { return NewConn(c, bothWays(link)) }
		wrappers[name+", only to read"] = func(c net.Conn) net.Conn { return NewConn(c, Config{Read: link}) }
		wrappers[name+", only to write"] = func(c net.Conn) net.Conn { return NewConn(c, Config{Write: link}) }
	}
	for name, wrap := range wrappers {
		for calls, want := range map[string]string{
			"RRWWR": "RESET EOF PIPE PIPE EOF",
			"RWRW":  "RESET PIPE EOF PIPE",
			"RCW":   "RESET NOTCONN PIPE",
		} {
			near, far := rawTCPPair(t)
			conn := wrap(near)
			require.NoError(t, far.(*net.TCPConn).SetLinger(0))
			require.NoError(t, far.Close())
			assert.Equal(t, want, do(conn, calls), "%s: %s", name, calls)
			require.NoError(t, conn.Close())
		}
		near, far := rawTCPPair(t)
		conn := wrap(near)
		_, err := far.Write([]byte("data"))
		require.NoError(t, err)
		time.Sleep(ms)
		require.NoError(t, far.(*net.TCPConn).SetLinger(0))
		require.NoError(t, far.Close())
		assert.Equal(t, "ok ok RESET EOF PIPE", do(conn, "RRRRW"), "%s: with data", name)
		require.NoError(t, conn.Close())
	}
}

// A reset that meets bytes in flight is reported by the next write or the next
// read, whichever comes first.
func TestResetMeetsBytesInFlight(t *testing.T) {
	t.Parallel()
	for calls, want := range map[string]string{
		"WWRR": "RESET PIPE EOF EOF",
		"RWRW": "RESET PIPE EOF PIPE",
		"CWW":  "NOTCONN RESET PIPE",
	} {
		near, far := rawTCPPair(t)
		conn := NewConn(near, bothWays(netem.Link{Latency: ms}))
		require.NoError(t, far.(*net.TCPConn).SetLinger(0))
		require.NoError(t, far.Close())
		_, err := conn.Write([]byte("x"))
		require.NoError(t, err)
		assert.ErrorIs(t, conn.Drain(context.Background()), syscall.ECONNRESET)
		assert.Equal(t, want, do(conn, calls), calls)
		require.NoError(t, conn.Close())
	}
}

// A resetConn is an inner connection that is reset at a given time: its Read
// fails then, once.
type resetConn struct {
	*sink
	after <-chan time.Time
	told  bool
}

func (c *resetConn) Read([]byte) (int, error) {
	if c.told {
		return 0, io.EOF
	}
	<-c.after
	c.told = true
	return 0, errno("read", syscall.ECONNRESET)
}

// A reset crosses the link, and wakes a writer that waits; bytes in flight are
// lost.
func TestResetWakesAWriterWhenItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := NewConn(&resetConn{sink: newSink(), after: time.After(time.Second)}, Config{
			Read: netem.Link{Latency: 500 * ms}, Write: netem.Link{Rate: 8 * netem.Kbps, Latency: time.Hour},
		})
		start := time.Now()
		read := make(chan error, 1)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			read <- err
		}()
		_, err := conn.Write(make([]byte, 100000))
		assert.Equal(t, 1500*ms, time.Since(start))
		assert.Equal(t, "PIPE RESET", nameOfError(err)+" "+nameOfError(<-read), "the reader gets the reset")
		assert.Equal(t, "PIPE EOF", do(conn, "WR"))
		assert.ErrorIs(t, conn.Drain(t.Context()), syscall.ECONNRESET)
		require.NoError(t, conn.Close())
	})
}
