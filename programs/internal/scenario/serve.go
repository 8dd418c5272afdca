package scenario

import (
	"context"
	"net"
	"net/http"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Serve listens on the server, and handles each connection in its own
// goroutine.
func Serve(sim *simtest.Sim, address string, handle func(conn net.Conn)) {
	host := sim.Host("server")
	host.Run(func(context.Context) error {
		listener, err := host.Listen("tcp", address)
		if err != nil {
			return err
		}
		for {
			conn, err := listener.Accept()
			if err != nil {
				return nil // the host has crashed, or the simulation ends
			}
			go handle(conn)
		}
	})
}

// ServeHTTP serves HTTP on the server. It gets a new handler at its start and
// at each restart.
func ServeHTTP(sim *simtest.Sim, newHandler func() http.Handler) {
	host := sim.Host("server")
	host.Run(func(ctx context.Context) error {
		listener, err := host.Listen("tcp", ":80")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: newHandler()}
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(listener); ctx.Err() == nil {
			return err
		}
		return nil
	})
}
