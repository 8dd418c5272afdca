package poetryserver_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A client that is being served when the server is shut down, and then stays
// connected, is disconnected a second after it has received the poem; then
// Serve and Shutdown return.
func TestShutdownAndAClientThatStays(t *testing.T) {
	for _, concurrent := range []bool{false, true} {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("server").Listen("tcp", ":1")
			require.NoError(t, err)
			server := &poetryserver.Server{
				Poem:       []byte("poem"),
				Pace:       netem.Pace{Bytes: 1, Wait: time.Second},
				Concurrent: concurrent,
			}
			start := time.Now()
			var ends sync.WaitGroup
			ends.Go(func() {
				assert.Equal(t, poetryserver.ErrServerClosed, server.Serve(listener))
				assert.Equal(t, 5*time.Second, time.Since(start), "Serve")
			})
			conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
			require.NoError(t, err)
			ends.Go(func() {
				time.Sleep(1500 * ms)
				assert.NoError(t, server.Shutdown(t.Context()))
				assert.Equal(t, 5*time.Second, time.Since(start), "Shutdown")
			})
			poem, err := io.ReadAll(conn)
			assert.NoError(t, err)
			assert.Equal(t, "poem", string(poem))
			assert.Equal(t, 4*time.Second, time.Since(start))
			ends.Wait()
		})
	}
}

// A closingConn closes the server during its first write.
type closingConn struct {
	net.Conn
	closeServer func()
	past        chan struct{} // closed when a deadline in the past is set
	once        sync.Once
	writes      int
}

func (c *closingConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 1 {
		go c.closeServer()
		<-c.past
	}
	return len(p), nil
}

func (c *closingConn) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now()) {
		c.once.Do(func() { close(c.past) })
	}
	return nil
}

// oneConn is a listener with one connection.
type oneConn struct {
	net.Listener
	conns chan net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	default:
		return l.Listener.Accept()
	}
}

// Close between two writes of one piece prevents the second one.
func TestCloseInMidPiece(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	near, far := net.Pipe()
	defer far.Close()
	server := &poetryserver.Server{Poem: make([]byte, 1<<20), Pace: netem.Pace{Bytes: 1 << 20}}
	conn := &closingConn{Conn: near, closeServer: func() { _ = server.Close() }, past: make(chan struct{})}
	listener := &oneConn{inner, make(chan net.Conn, 1)}
	listener.conns <- conn
	assert.Equal(t, poetryserver.ErrServerClosed, server.Serve(listener))
	assert.Equal(t, 1, conn.writes)
}
