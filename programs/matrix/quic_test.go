package matrix

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/quic-go/quic-go"

	"github.com/slowpoetry/slowpoetry/programs/internal/certificate"
)

// A plainSocket has no raw reads and writes.
type plainSocket struct{ net.PacketConn }

// listenQUIC opens a socket without batched reads and writes, which simulated
// sockets do not support.
func listenQUIC(address string) (net.PacketConn, error) {
	socket, err := net.ListenPacket("udp4", address)
	return plainSocket{socket}, err
}

// quicProgram runs three concurrent streams on one connection of quic-go.
var quicProgram = program{"quic-go/quic-go", "github.com/quic-go/quic-go",
	"three concurrent streams of 20 kB, which the server echoes",
	served(serveQUIC, dialQUIC)}

func serveQUIC(ctx context.Context) error {
	settings, err := certificate.ForServer("echo")
	if err != nil {
		return err
	}
	socket, err := listenQUIC(":4433")
	if err != nil {
		return err
	}
	transport := &quic.Transport{Conn: socket, StatelessResetKey: new(quic.StatelessResetKey)}
	defer func() { _, _ = transport.Close(), socket.Close() }()
	l, err := transport.Listen(settings, nil)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept(ctx)
		if err != nil {
			return nil
		}
		go func() {
			for {
				stream, err := conn.AcceptStream(ctx)
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(stream, stream)
					_ = stream.Close()
				}()
			}
		}()
	}
}

type quicSession struct {
	socket    net.PacketConn
	transport *quic.Transport
	conn      *quic.Conn
}

func dialQUIC(ctx context.Context, _ string) (session, error) {
	settings, err := certificate.ForClient("echo")
	if err != nil {
		return nil, err
	}
	to, err := net.ResolveUDPAddr("udp4", "server:4433")
	if err != nil {
		return nil, err
	}
	socket, err := listenQUIC(":0")
	if err != nil {
		return nil, err
	}
	s := quicSession{socket: socket, transport: &quic.Transport{Conn: socket}}
	if s.conn, err = s.transport.Dial(ctx, to, settings, nil); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s quicSession) exchange(ctx context.Context, i int) error {
	return atOnce(func(n int) error {
		stream, err := s.conn.OpenStreamSync(ctx)
		if err != nil {
			return err
		}
		deadline, _ := ctx.Deadline()
		return errors.Join(stream.SetDeadline(deadline), echoed(stream, text(i, n)), stream.Close())
	})
}

func (s quicSession) close() {
	if s.conn != nil {
		_ = s.conn.CloseWithError(0, "")
	}
	_, _ = s.transport.Close(), s.socket.Close()
}
