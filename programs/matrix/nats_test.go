package matrix

import (
	"bytes"
	"context"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// NATS with its own server: each client answers the other's questions.
var natsProgram = program{"nats and nats-server", "github.com/nats-io/nats-server/v2",
	"three concurrent requests of 20 kB, which the clients answer for each other",
	served(serveNATS, dialNATS)}

func serveNATS(ctx context.Context) error {
	s, err := server.NewServer(&server.Options{Host: "0.0.0.0", Port: 4222, NoSigs: true, NoLog: true})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, s.Shutdown)()
	s.Start()
	s.WaitForShutdown()
	return nil
}

type natsSession struct{ conn *nats.Conn }

func dialNATS(_ context.Context, client string) (session, error) {
	conn, err := nats.Connect("nats://server:4222", nats.Timeout(patience), nats.Name(client), nats.NoReconnect())
	if err != nil {
		return nil, err
	}
	if _, err = conn.QueueSubscribe("echo", "all", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err == nil {
		err = conn.FlushTimeout(patience)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return natsSession{conn}, nil
}

func (s natsSession) exchange(ctx context.Context, i int) error {
	return atOnce(func(n int) error {
		m, err := s.conn.RequestWithContext(ctx, "echo", text(i, n))
		if err == nil && !bytes.Equal(m.Data, text(i, n)) {
			err = errDiffers
		}
		return err
	})
}

func (s natsSession) close() { s.conn.Close() }
