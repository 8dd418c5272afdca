package poetryserver_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// A negative Timeout means no timeout, neither for a slow reader, nor for a client that
// has received the poem and stays connected.
func TestNoTimeout(t *testing.T) {
	simtest.Config{TimeLimit: -1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		server := &poetryserver.Server{Poem: make([]byte, 4<<20), Timeout: -1}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		poem, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Len(t, poem, len(server.Poem))
		time.Sleep(24 * time.Hour)
		for range 2 {
			_, err = conn.Write([]byte("still there?"))
			assert.NoError(t, err)
			time.Sleep(time.Second)
		}
		require.NoError(t, server.Close())
		assert.Equal(t, poetryserver.ErrServerClosed, <-served)
	})
}

// A closingListener closes the server during Accept.
type closingListener struct {
	net.Listener
	closeServer func() error
}

func (l *closingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		err = l.closeServer()
	}
	return conn, err
}

// A client that is accepted at the moment when the server is closed is not
// served.
func TestCloseWhileAClientIsAccepted(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("server").Listen("tcp", ":1")
		require.NoError(t, err)
		server := &poetryserver.Server{Poem: []byte("poem"), Observer: func(e poetryserver.ClientEvent) { t.Errorf("told: %v", e) }}
		served := make(chan error, 1)
		go func() { served <- server.Serve(&closingListener{listener, server.Close}) }()
		conn, err := sim.Host("client").DialContext(t.Context(), "tcp", "server:1")
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		assert.Empty(t, got)
		assert.Error(t, err)
		assert.Equal(t, poetryserver.ErrServerClosed, <-served)
	})
}
