package poetryserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// shutdownGrace is the time for a client that has received the poem to close
// when the server is shut down.
const shutdownGrace = time.Second

// serve sends the poem to one client. It waits in the background for the client
// to close.
func (s *Server) serve(conn *slownet.Conn, background *sync.WaitGroup) {
	if !s.trackConn(conn) {
		abort(conn)
		return
	}
	client, start := conn.RemoteAddr(), s.clock().Now()
	s.tell(ClientEvent{Kind: Connected, Client: client})
	sent, err := s.send(conn, start)
	if err != nil {
		abort(conn)
		s.untrackConn(conn)
		s.tell(ClientEvent{Kind: Gone, Client: client, Bytes: sent, Err: s.explain(err), Elapsed: s.clock().Since(start)})
		return
	}
	elapsed := s.clock().Since(start)
	until := s.startLeaving(conn)
	background.Go(func() {
		defer s.untrackConn(conn)
		s.awaitClose(conn, until)
		_ = conn.Drain(context.Background()) // the time is limited: see slownet.Conn.Close
	})
	s.tell(ClientEvent{Kind: Done, Client: client, Bytes: sent, Elapsed: elapsed})
}

// maxIgnored is the maximum number of bytes that are read from a client that has received
// the poem.
const maxIgnored = 1 << 20

// awaitClose waits until a client that has received the poem closes, or its time
// is up.
//
// A close with unread bytes resets the connection, and the end of the poem could
// be lost. So the client's bytes are read and discarded, up to maxIgnored. Beyond
// that the client's sending stalls, but it can still read the end of the poem
// until its time is up.
func (s *Server) awaitClose(conn *slownet.Conn, until time.Time) {
	if _, err := io.CopyN(io.Discard, conn, maxIgnored); err != nil {
		_ = conn.Close()
		return
	}
	if s.wait(until) {
		abort(conn)
	}
}

// wait waits until the given time (the zero time means never), or until
// shutdownGrace after Shutdown. It returns false if Close is called first.
func (s *Server) wait(until time.Time) bool {
	s.mu.Lock()
	stopped, closed := s.stopped, s.closed
	s.mu.Unlock()
	var over <-chan time.Time
	if !until.IsZero() {
		timer := s.clock().Timer(s.clock().Until(until))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return true
	case <-closed:
		return false
	case <-stopped:
	}
	soon := s.clock().Timer(shutdownGrace)
	defer soon.Stop()
	select {
	case <-over:
	case <-soon.C:
	case <-closed:
		return false
	}
	return true
}

// send sends the poem, piece by piece, and the end of the stream. It returns
// the number of bytes written. Start is the time when the client connected.
func (s *Server) send(conn *slownet.Conn, start time.Time) (sent int, err error) {
	size := s.Pace.Bytes
	if size == 0 {
		size = chunk
	}
	for sent < len(s.Poem) {
		n, err := conn.Write(s.Poem[sent:min(sent+size, len(s.Poem))])
		sent += n
		if n > 0 {
			s.tell(ClientEvent{Kind: Sent, Client: conn.RemoteAddr(), Bytes: n, Elapsed: s.clock().Since(start)})
		}
		if err != nil {
			return sent, err
		}
	}
	err = conn.CloseWrite()
	if errors.Is(err, errors.ErrUnsupported) {
		err = conn.Close()
	}
	if err == nil {
		err = s.drain(conn)
	}
	return sent, err
}

// drain waits until the end of the poem has arrived. That includes the wait of
// the pace after the last piece.
func (s *Server) drain(conn *slownet.Conn) error {
	ctx := context.Background()
	if timeout := s.timeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = s.clock().WithTimeout(ctx, s.Pace.Wait+timeout)
		defer cancel()
	}
	err := conn.Drain(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = os.ErrDeadlineExceeded
	}
	return err
}

// explain returns the reason why a client is gone.
func (s *Server) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("accepted no byte for %v", s.timeout())
	case errors.Is(err, net.ErrClosed):
		return ErrServerClosed
	case errors.Is(err, syscall.ENOTCONN):
		return errors.New("the client closed before the end") // reset while the end was being sent
	}
	return err
}

func (s *Server) timeout() time.Duration {
	if s.Timeout == 0 {
		return DefaultTimeout
	}
	return s.Timeout
}

func (s *Server) tell(e ClientEvent) {
	if s.Observer != nil {
		s.Observer(e)
	}
}
