package matrix

import (
	"context"
	"net"

	"github.com/xtaci/smux"
)

// smux has three streams at once on one connection.
var smuxProgram = program{"xtaci/smux", "github.com/xtaci/smux",
	"three concurrent streams of 20 kB, which the server echoes",
	served(
		accepting(":4000", func(conn net.Conn) {
			s, err := smux.Server(conn, smux.DefaultConfig())
			if err != nil {
				return
			}
			defer s.Close()
			for {
				stream, err := s.AcceptStream()
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
			s, err := smux.Client(conn, smux.DefaultConfig())
			return multiplexed{func() (net.Conn, error) { return s.OpenStream() }, s.Close}, err
		},
	)}
