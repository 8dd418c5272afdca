package matrix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sync/errgroup"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A session is a client's connection to its server, or a pool of connections.
type session interface {
	// exchange does piece number i of the client's work, and checks the result.
	exchange(ctx context.Context, i int) error
	close()
}

const (
	clientStart = time.Second // of the clients, when the server listens
	pieces      = 16          // of work, for each client
	every       = 3 * time.Second
	patience    = 5 * time.Second // for one
	tries       = 40              // of one
)

// clients have work at the same instants.
var clients = []string{"client", "other"}

// served returns a simulation of a server and two clients. A client whose piece of
// work fails reconnects, and repeats it.
func served(serve func(ctx context.Context) error, dial func(ctx context.Context, client string) (session, error)) func(t *testing.T, sim *simtest.Sim) {
	return func(t *testing.T, sim *simtest.Sim) {
		sim.Host("server").Run(serve)
		done := make(chan error, len(clients))
		for _, name := range clients {
			sim.Host(name).Run(func(ctx context.Context) error {
				done <- work(ctx, name, dial)
				return nil
			})
		}
		for range clients {
			assert.NoError(t, <-done)
		}
	}
}

// work does a client's work.
func work(ctx context.Context, client string, dial func(ctx context.Context, client string) (session, error)) (err error) {
	var s session
	defer func() {
		if s != nil {
			s.close()
		}
	}()
	time.Sleep(clientStart)
	piece := func(i int) error {
		ctx, stop := context.WithTimeout(ctx, patience)
		defer stop()
		if s == nil {
			if s, err = dial(ctx, client); err != nil {
				s = nil // and not an interface with a nil value
				return err
			}
		}
		if err = s.exchange(ctx, i); err != nil {
			s.close()
			s = nil
		}
		return err
	}
	for i := range pieces {
		for n := 1; piece(i) != nil; n++ {
			if n == tries {
				return fmt.Errorf("%s, piece %d: %w", client, i, err)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(every)
	}
	return nil
}

// atOnce calls f three times at once.
func atOnce(f func(n int) error) error {
	var all errgroup.Group
	for n := range 3 {
		all.Go(func() error { return f(n) })
	}
	return all.Wait()
}

// text returns a text of 20 kB for a piece of work.
func text(i, n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "piece %02d, part %d\n", i, n), 20_000/18)
}

// errDiffers means that an echo differs from the text sent.
var errDiffers = errors.New("the echo differs from the data sent")

// echoed sends a text and compares the echo.
func echoed(stream io.ReadWriter, text []byte) error {
	sent := make(chan error, 1)
	go func() {
		_, err := stream.Write(text)
		sent <- err
	}()
	back := make([]byte, len(text))
	_, err := io.ReadFull(stream, back)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if !bytes.Equal(text, back) {
		return errDiffers
	}
	return nil
}

// accepting listens on a port, and serves each connection in a goroutine.
func accepting(address string, serve func(conn net.Conn)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = l.Close() })()
		for {
			conn, err := l.Accept()
			if err != nil {
				return nil // the host has crashed, or the simulation ends
			}
			go serve(conn)
		}
	}
}
