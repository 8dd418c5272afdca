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

// hurry is how long a client may take to hang up when the server is shut down.
const hurry = time.Second

// serve sends the poem to one client and sees it off, in the background.
func (s *Server) serve(conn *slownet.Conn, background *sync.WaitGroup) {
	if !s.trackConn(conn) {
		abort(conn)
		return
	}
	client, start := conn.RemoteAddr(), s.clock().Now()
	s.tell(Event{Kind: Connected, Client: client})
	sent, err := s.send(conn, start)
	if err != nil {
		abort(conn)
		s.untrackConn(conn)
		s.tell(Event{Kind: Gone, Client: client, Bytes: sent, Err: s.explain(err), Elapsed: s.clock().Since(start)})
		return
	}
	elapsed := s.clock().Since(start)
	until := s.startLeaving(conn)
	background.Go(func() {
		defer s.untrackConn(conn)
		s.seeOff(conn, until)
		_ = conn.Drain(context.Background()) // gives up after a while
	})
	s.tell(Event{Kind: Done, Client: client, Bytes: sent, Elapsed: elapsed})
}

// maxTalk is how much a client that has the poem may send.
const maxTalk = 1 << 20

// seeOff waits until a client that has the poem hangs up, or its time is up.
//
// A connection that is closed with something unread is reset, and the end of the
// poem could be lost. So what the client may say is read and thrown away. A
// client that goes on and on is no longer read: its sending stalls, and it may
// still take in the end of the poem until its time is up.
func (s *Server) seeOff(conn *slownet.Conn, until time.Time) {
	if _, err := io.CopyN(io.Discard, conn, maxTalk); err != nil {
		_ = conn.Close()
		return
	}
	if s.wait(until) {
		abort(conn)
	}
}

// wait waits until the time (the zero time is never), or until a moment after
// Shutdown. It returns false if Close comes first.
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
	soon := s.clock().Timer(hurry)
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
// how much of the poem was taken. Start is when the client connected.
func (s *Server) send(conn *slownet.Conn, start time.Time) (sent int, err error) {
	size := s.Pace.Bytes
	if size == 0 {
		size = chunk
	}
	for sent < len(s.Poem) {
		n, err := conn.Write(s.Poem[sent:min(sent+size, len(s.Poem))])
		sent += n
		if n > 0 {
			s.tell(Event{Kind: Sent, Client: conn.RemoteAddr(), Bytes: n, Elapsed: s.clock().Since(start)})
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

// drain waits until the end of the poem has arrived, the pace's wait after the
// last piece included.
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

// explain returns why a client is gone.
func (s *Server) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("took in nothing for %v", s.timeout())
	case errors.Is(err, net.ErrClosed):
		return ErrServerClosed
	case errors.Is(err, syscall.ENOTCONN):
		return errors.New("it hung up before the end") // reset while the end was being sent
	}
	return err
}

func (s *Server) timeout() time.Duration {
	if s.Timeout == 0 {
		return DefaultTimeout
	}
	return s.Timeout
}

func (s *Server) tell(e Event) {
	if s.Observer != nil {
		s.Observer(e)
	}
}
