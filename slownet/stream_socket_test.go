package slownet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever a program calls on a socket, it can call on its wrapper.
func TestWrappersHaveTheMethodsOfSockets(t *testing.T) {
	t.Parallel()
	const returnsSocket = "it returns a *net.TCPConn, on which nothing is slow; Accept returns a *Conn"
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

// signature returns the types that a method takes, without its receiver, and
// those that it returns.
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

// options are the methods of a connection that the inner one may lack.
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

func TestSocketOptionsOfWhatIsNoSocket(t *testing.T) {
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

// The descriptor is that of the socket: what is written there overtakes what
// is on the link.
func TestFileIsPastTheLink(t *testing.T) {
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
