package slownet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A wrapper has every method of a socket.
func TestWrappersHaveTheMethodsOfSockets(t *testing.T) {
	t.Parallel()
	const returnsSocket = "it returns a *net.TCPConn, which bypasses the links; Accept returns a *Conn"
	for _, pair := range []struct {
		socket, wrapper any
		exceptions      map[string]string
	}{
		{&net.TCPConn{}, &Conn{}, nil},
		{&net.TCPListener{}, &Listener{}, map[string]string{"AcceptTCP": returnsSocket}},
		{&net.UDPConn{}, &PacketConn{}, nil},
	} {
		socket, wrapper := reflect.TypeOf(pair.socket), reflect.TypeOf(pair.wrapper)
		for i := range socket.NumMethod() {
			want := socket.Method(i)
			if pair.exceptions[want.Name] != "" {
				continue
			}
			got, ok := wrapper.MethodByName(want.Name)
			if assert.True(t, ok, "%v lacks %s", wrapper, want.Name) {
				assert.Equal(t, signature(want.Type), signature(got.Type), want.Name)
			}
		}
	}
}

// signature returns the types of a method's arguments, without its receiver,
// and of its results.
func signature(method reflect.Type) (types []string) {
	for i := 1; i < method.NumIn(); i++ {
		types = append(types, method.In(i).String())
	}
	types = append(types, "returns")
	for i := range method.NumOut() {
		types = append(types, method.Out(i).String())
	}
	return types
}

// options are the methods that the inner connection may lack.
var options = map[string]func(*Conn) error{
	"SetNoDelay":         func(c *Conn) error { return c.SetNoDelay(true) },
	"SetKeepAlive":       func(c *Conn) error { return c.SetKeepAlive(true) },
	"SetKeepAlivePeriod": func(c *Conn) error { return c.SetKeepAlivePeriod(time.Minute) },
	"SetKeepAliveConfig": func(c *Conn) error { return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) },
	"SetReadBuffer":      func(c *Conn) error { return c.SetReadBuffer(1 << 16) },
	"SetWriteBuffer":     func(c *Conn) error { return c.SetWriteBuffer(1 << 16) },
	"MultipathTCP":       func(c *Conn) error { _, err := c.MultipathTCP(); return err },
	"File": func(c *Conn) error {
		file, err := c.File()
		if err == nil {
			err = file.Close()
		}
		return err
	},
}

func TestSocketOptionsReachTheSocket(t *testing.T) {
	t.Parallel()
	near, _ := rawTCPPair(t)
	c := NewConn(near, Config{Write: netem.Link{Latency: ms}})
	for name, set := range options {
		assert.NoError(t, set(c), name)
	}
	require.NoError(t, c.Close())
	for name, set := range options {
		err := set(c)
		assert.ErrorIs(t, err, net.ErrClosed, name)
		assert.ErrorAs(t, err, new(*net.OpError), name)
	}
}

func TestSocketOptionsWithoutASocket(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	c := NewConn(near, Config{Write: netem.Link{Latency: ms}})
	for name, set := range options {
		err := set(c)
		assert.ErrorIs(t, err, errors.ErrUnsupported, name)
		assert.ErrorAs(t, err, new(*net.OpError), name)
	}
	_, _ = far.Close(), c.Close()
}

// The descriptor is the socket's: bytes that are written to it overtake bytes on the
// link.
func TestFileBypassesTheLink(t *testing.T) {
	t.Parallel()
	near, far := rawTCPPair(t)
	c := NewConn(near, Config{Write: netem.Link{Latency: 200 * ms}})
	file, err := c.File()
	require.NoError(t, err)
	plain, err := net.FileConn(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	for _, conn := range []net.Conn{c, plain} {
		_, err = conn.Write([]byte(fmt.Sprintf("%T ", conn)))
		require.NoError(t, err)
	}
	require.NoError(t, plain.Close())
	require.NoError(t, c.Close())
	got, err := io.ReadAll(far)
	require.NoError(t, err)
	assert.Equal(t, "*net.TCPConn *slownet.Conn ", string(got))
}

// A bufferedPipe is an end of a pipe that has a socket's buffer options.
type bufferedPipe struct {
	net.Conn
	read, write int
}

func (p *bufferedPipe) SetReadBuffer(bytes int) error  { p.read = bytes; return nil }
func (p *bufferedPipe) SetWriteBuffer(bytes int) error { p.write = bytes; return nil }

// SetReadBuffer and SetWriteBuffer set the inner connection's buffers, and over TCP
// the model's as well: a writer gets ahead by twice the size of its send buffer plus
// the peer's receive buffer.
func TestBuffersOverTCP(t *testing.T) {
	for _, tcp := range streams {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			inner := &bufferedPipe{Conn: near}
			config := bothWays(netem.Link{Latency: 50 * ms})
			config.TCP = tcp
			conn := NewConn(inner, config)
			require.NoError(t, conn.SetReadBuffer(32<<10))
			require.NoError(t, conn.SetWriteBuffer(64<<10))
			assert.Equal(t, [2]int{32 << 10, 64 << 10}, [2]int{inner.read, inner.write})

			require.NoError(t, conn.SetWriteDeadline(time.Now().Add(10*time.Second)))
			n, err := conn.Write(make([]byte, 32<<20))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			if tcp.Congestion == netem.Unlimited {
				assert.Equal(t, maxFlight, n)
			} else {
				assert.InDelta(t, 128<<10+64<<10, n, 70_000, "and up to a chunk in the delivery goroutine")
			}
			require.NoError(t, conn.SetLinger(0))
			require.NoError(t, conn.Close())
			require.NoError(t, far.Close())
		})
	}
}

// A read over TCP receives a read buffer per round trip.
func TestReadBufferBoundsADownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn := NewConn(&bufferedPipe{Conn: near}, bothWays(netem.Link{Latency: 50 * ms}))
		require.NoError(t, conn.SetReadBuffer(32<<10))
		go func() { _, _ = far.Write(make([]byte, 1_000_000)) }()
		_, err := io.ReadFull(conn, make([]byte, 1_000_000))
		require.NoError(t, err)
		perRoundTrip := (64 << 10) * netem.MSS / 2304
		assert.InEpsilon(t, 1_000_000/perRoundTrip*100*int(ms), int(time.Since(bubbleStart)), 0.15)
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	})
}
