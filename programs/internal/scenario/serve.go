package scenario

import (
	"bytes"
	"context"
	"errors"
	"io"
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

// Echo sends back all bytes of a stream, and closes it.
func Echo(stream io.ReadWriteCloser) {
	_, _ = io.Copy(stream, stream)
	_ = stream.Close()
}

// Exchange sends n bytes on a stream, reads them back and closes it.
func Exchange(stream io.ReadWriteCloser, n int) error {
	defer func() { _ = stream.Close() }()
	there, back := bytes.Repeat([]byte("poem"), n/4), make([]byte, n/4*4)
	if _, err := stream.Write(there); err != nil {
		return err
	}
	if _, err := io.ReadFull(stream, back); err != nil {
		return err
	}
	if !bytes.Equal(there, back) {
		return errors.New("the echo differs from the data sent")
	}
	return nil
}
