package slownet

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lopsided is a profile whose two directions differ.
var lopsided = netem.Profile{Name: "test/lopsided", Down: netem.Link{Latency: 10 * ms}, Up: netem.Link{Latency: 30 * ms}}

// timesOf returns the time that a byte takes when a connection writes it, and the time
// that a byte takes when the connection reads it. The other end has no limits.
func timesOf(t *testing.T, c net.Conn, far net.Conn) (written, read time.Duration) {
	pass := func(from, to net.Conn) time.Duration {
		start := time.Now()
		go func() { _, _ = from.Write([]byte("x")) }()
		_, err := io.ReadFull(to, make([]byte, 1))
		require.NoError(t, err)
		return time.Since(start)
	}
	return pass(c, far), pass(far, c)
}

func TestSetProfilePutsAConnectionAtTheClientsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := NewConn(near, Config{})
		c.SetProfile(lopsided)
		written, read := timesOf(t, c, far)
		assert.Equal(t, 30*ms, written, "up")
		assert.Equal(t, 10*ms, read, "down")
		require.NoError(t, c.Close())
	})
}

func TestSetProfilePutsAListenersConnectionsAtTheServersEnd(t *testing.T) {
	pipes := func(t *testing.T, f func(l *Listener, dial func() (c *Conn, far net.Conn))) {
		synctest.Test(t, func(t *testing.T) {
			inner := pipeListener{make(chan net.Conn, 1)}
			l := NewListener(inner, Config{})
			f(l, func() (*Conn, net.Conn) {
				near, far := net.Pipe()
				inner.conns <- near
				c, err := l.Accept()
				require.NoError(t, err)
				return c.(*Conn), far
			})
			for _, c := range l.Conns() {
				require.NoError(t, c.Close())
			}
		})
	}
	wantServers := func(c, far net.Conn) {
		written, read := timesOf(t, c, far)
		assert.Equal(t, 10*ms, written, "down")
		assert.Equal(t, 30*ms, read, "up")
	}
	pipes(t, func(l *Listener, dial func() (*Conn, net.Conn)) {
		before, farBefore := dial()
		l.SetProfile(lopsided)
		after, farAfter := dial()
		wantServers(before, farBefore)
		wantServers(after, farAfter)
	})
	pipes(t, func(l *Listener, dial func() (*Conn, net.Conn)) {
		c, far := dial()
		c.SetProfile(lopsided)
		wantServers(c, far)
	})
}

func TestSetProfileOnAPacketConn(t *testing.T) {
	packetBubble(t, Config{}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		c.SetProfile(lopsided)
		writeTo(t, c, "up")
		far.send(t, "down")
		assert.Equal(t, []sent{{"down", 10 * ms}}, receive(t, c, 1))
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"up", 30 * ms}}, far.got())
	})
}

func TestSetProfilePanicsOnAnInvalidProfile(t *testing.T) {
	t.Parallel()
	wrong := netem.Profile{Name: "test/wrong", Up: netem.Link{Rate: -1}}
	near, _ := net.Pipe()
	packets, _ := memoryPair()
	const want = `.SetProfile: profile "test/wrong": Up: Rate is -1bit/s: it must be 0 (no limit) or more`
	assert.PanicsWithValue(t, "slownet: Conn"+want, func() { NewConn(near, Config{}).SetProfile(wrong) })
	assert.PanicsWithValue(t, "slownet: Listener"+want, func() { NewListener(pipeListener{}, Config{}).SetProfile(wrong) })
	assert.PanicsWithValue(t, "slownet: PacketConn"+want, func() { NewPacketConn(packets, Config{}).SetProfile(wrong) })
}
