package slownet

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A writer that waits for another writer is woken when the other leaves the inner
// connection, even while a copy waits for its source.
func TestWritersWakeEachOtherBesideACopy(t *testing.T) {
	first, source := rawTCPPair(t)
	destination, last := rawTCPPair(t)
	conn := NewConn(destination, Config{})
	copied, written := make(chan error, 1), make(chan error, 2)
	go func() {
		_, err := io.Copy(conn, source)
		copied <- err
	}()
	time.Sleep(10 * ms)
	const big = 8 << 20
	for _, n := range []int{big, 4} {
		go func() {
			_, err := conn.Write(make([]byte, n))
			written <- err
		}()
		time.Sleep(20 * ms) // the first is in the inner connection, the second waits for it
		conn.Stall()
		conn.Resume()
	}
	_, err := io.ReadFull(last, make([]byte, big+4))
	require.NoError(t, err)
	for range 2 {
		select {
		case err := <-written:
			require.NoError(t, err)
		case <-time.After(10 * time.Second):
			t.Fatal("it was not woken")
		}
	}
	require.NoError(t, first.Close())
	require.NoError(t, <-copied)
	for _, c := range []net.Conn{source, conn, last} {
		require.NoError(t, c.Close())
	}
}

// CloseAfter takes effect on a clock that stands still, even while a copy from
// the connection waits for its destination.
func TestCloseAfterOnAClockThatStandsStill(t *testing.T) {
	first, source := rawTCPPair(t)
	destination, last := rawTCPPair(t)
	conn := NewConn(source, Config{Clock: clock.NewMock()})
	go func() { _, _ = first.Write(make([]byte, 32<<20)) }()
	copied := make(chan struct{})
	go func() {
		_, _ = io.Copy(destination, conn)
		close(copied)
	}()
	time.Sleep(50 * ms)
	done := make(chan struct{})
	go func() {
		conn.CloseAfter(Write, 0)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
	for _, c := range []net.Conn{first, last, destination, conn} {
		_ = c.Close()
	}
	<-copied
}

// When the link is changed, a read-ahead that waits in the inner connection takes no
// more bytes than the new link lets pass.
func TestSetLinksWhileTheReadAheadWaits(t *testing.T) {
	overPipe(t, Config{Read: netem.Link{Latency: time.Second}}, func(t *testing.T, conn *Conn, far net.Conn) {
		start := time.Now()
		read := make(chan time.Duration, 1)
		go func() {
			_, err := io.ReadFull(conn, make([]byte, 1001))
			assert.NoError(t, err)
			read <- time.Since(start)
		}()
		_, err := far.Write(make([]byte, 1)) // and the read-ahead waits for more
		require.NoError(t, err)
		synctest.Wait()
		conn.SetLinks(netem.Link{Pace: netem.Pace{Bytes: 1, Wait: time.Second}}, netem.Link{})
		go func() { _, _ = far.Write(make([]byte, 1000)) }()
		time.Sleep(3 * time.Second)
		conn.SetLinks(netem.Link{}, netem.Link{})
		assert.LessOrEqual(t, <-read, 5*time.Second)
	})
}

// A listener's CloseAfter takes a moment for each connection. It holds up neither
// other faults nor Accept: in a bubble, that would stop time.
func TestListenerCloseAfterInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := pipeListener{make(chan net.Conn)}
		listener := NewListener(inner, Config{})
		accepted := make(chan struct{})
		go func() {
			defer close(accepted)
			for {
				if _, err := listener.Accept(); err != nil {
					return
				}
			}
		}()
		near1, far1 := net.Pipe()
		inner.conns <- halfClosing{near1}
		synctest.Wait()
		faulted := make(chan struct{}, 2)
		for _, fault := range []func(){func() { listener.CloseAfter(Write, 0) }, listener.Stall} {
			go func() {
				fault()
				faulted <- struct{}{}
			}()
		}
		near2, far2 := net.Pipe()
		inner.conns <- halfClosing{near2}
		<-faulted
		<-faulted
		require.NoError(t, listener.Close())
		<-accepted
		for _, c := range listener.Conns() {
			_ = c.Close()
		}
		_, _ = far1.Close(), far2.Close()
	})
}

// A pipeListener accepts the connections that it is given.
type pipeListener struct{ conns chan net.Conn }

func (l pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l pipeListener) Close() error   { close(l.conns); return nil }
func (l pipeListener) Addr() net.Addr { return nil }

// halfClosing is a pipe whose CloseWrite succeeds without effect.
type halfClosing struct{ net.Conn }

func (halfClosing) CloseWrite() error { return nil }

// A PacketConn around a connection that is not a UDP socket rejects a nil
// address, and does not panic.
func TestPacketsToATypedNil(t *testing.T) {
	packetBubble(t, Config{Write: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		assert.NotPanics(t, func() { _, _ = c.WriteTo([]byte("x"), (*net.UDPAddr)(nil)) })
	})
}
