package kernel

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/kerneltimes"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

const port = 80

// Times are the times of the steps of a transfer: Connect and Total from the start of
// the dial, FirstByte from the end of the dial.
type Times struct{ Connect, FirstByte, Total time.Duration }

// Transfer makes a transfer over the path, which must be idle, and is idle again
// afterwards.
func (p *Path) Transfer(row *kerneltimes.Transfer, limit time.Duration) (times Times, err error) {
	tcp := netem.TCP{Congestion: row.Congestion}
	listener, err := p.Listen(port, tcp)
	if err != nil {
		return times, err
	}
	served := make(chan error, 1)
	go func() { served <- serve(listener, row.Body) }()
	defer func() {
		p.Cut(true, true)
		listener.Close()
		if e := <-served; err == nil {
			err = e
		}
		time.Sleep(5 * time.Millisecond)
		p.Cut(false, false)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	conn, err := p.Dial(ctx, port, tcp)
	if err != nil {
		return times, err
	}
	defer abort(conn)
	times.Connect = time.Since(start)
	if err = conn.SetDeadline(start.Add(limit)); err != nil {
		return times, err
	}
	if _, err = conn.Write(make([]byte, kerneltimes.Request)); err != nil {
		return times, err
	}
	if _, err = io.ReadFull(conn, make([]byte, 1)); err != nil {
		return times, err
	}
	times.FirstByte = time.Since(start) - times.Connect
	_, err = io.CopyN(io.Discard, conn, int64(row.Body-1))
	times.Total = time.Since(start)
	return times, err
}

// serve answers one request with a body, and waits until the listener is closed.
func serve(listener net.Listener, body int) error {
	conn, err := listener.Accept()
	if err != nil {
		return nil
	}
	defer abort(conn)
	if _, err := io.ReadFull(conn, make([]byte, kerneltimes.Request)); err != nil {
		return nil // the client reports it
	}
	go func() { _, _ = conn.Write(make([]byte, body)) }()
	_, _ = listener.Accept()
	return nil
}

// abort closes a connection so that the kernel forgets it.
func abort(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}
