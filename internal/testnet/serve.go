package testnet

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Serve calls serve for each connection that a listener accepts, in a new goroutine, and
// closes the connection afterwards. It returns when the listener and all connections are
// closed.
func Serve(listener net.Listener, serve func(net.Conn)) {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			defer conn.Close()
			serve(conn)
		})
	}
}

// Echo starts an echo server on a loopback socket, which runs until the test ends, and
// returns its address.
func Echo(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(listener, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// Ask sets headers of a request, given as alternating names and values, passes the request
// to a handler, and returns the response.
func Ask(handler http.Handler, r *http.Request, headers ...string) *httptest.ResponseRecorder {
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}
