package matrix

import (
	"context"
	"io"
	"net"

	"github.com/hashicorp/yamux"
)

func yamuxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	return c
}

// yamux has three streams at once on one connection.
var yamuxProgram = program{"hashicorp/yamux", "github.com/hashicorp/yamux",
	"three concurrent streams of 20 kB, which the server echoes",
	served(
		accepting(":4000", func(conn net.Conn) {
			s, err := yamux.Server(conn, yamuxConfig())
			if err != nil {
				return
			}
			defer s.Close()
			for {
				stream, err := s.Accept()
				if err != nil {
					return
				}
				go echo(stream)
			}
		}),
		func(ctx context.Context, _ string) (session, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", "server:4000")
			if err != nil {
				return nil, err
			}
			s, err := yamux.Client(conn, yamuxConfig())
			return multiplexed{func() (net.Conn, error) { return s.Open() }, s.Close}, err
		},
	)}

// echo sends back everything it receives.
func echo(stream net.Conn) {
	_, _ = io.Copy(stream, stream)
	_ = stream.Close()
}

// A multiplexed session has many streams on one connection.
type multiplexed struct {
	open func() (net.Conn, error)
	end  func() error
}

func (m multiplexed) exchange(ctx context.Context, i int) error {
	return atOnce(func(n int) error {
		stream, err := m.open()
		if err != nil {
			return err
		}
		defer stream.Close()
		deadline, _ := ctx.Deadline()
		if err := stream.SetDeadline(deadline); err != nil {
			return err
		}
		return echoed(stream, text(i, n))
	})
}

func (m multiplexed) close() { _ = m.end() }
