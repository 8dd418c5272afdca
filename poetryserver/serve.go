package poetryserver

import (
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
	client := conn.RemoteAddr()
	s.tell(Event{Kind: Connected, Client: client})
	sent, err := s.send(conn, client)
	if err != nil {
		abort(conn)
		s.untrackConn(conn)
		s.tell(Event{Kind: Gone, Client: client, Bytes: sent, Err: s.explain(err)})
		return
	}
	s.startLeaving(conn)
	background.Go(func() {
		defer s.untrackConn(conn)
		// A connection that is closed with something unread is reset, and the
		// end of the poem could be lost. So what the client may say is read
		// and thrown away until it hangs up.
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	})
	s.tell(Event{Kind: Done, Client: client, Bytes: sent})
}

// send sends the poem, piece by piece, and the end of the stream. It returns
// how much of the poem was taken.
func (s *Server) send(conn *slownet.Conn, client net.Addr) (sent int, err error) {
	size := s.Pace.Bytes
	if size == 0 {
		size = chunk
	}
	for sent < len(s.Poem) {
		n, err := conn.Write(s.Poem[sent:min(sent+size, len(s.Poem))])
		sent += n
		if n > 0 {
			s.tell(Event{Kind: Sent, Client: client, Bytes: n})
		}
		if err != nil {
			return sent, err
		}
	}
	err = conn.CloseWrite()
	if errors.Is(err, errors.ErrUnsupported) {
		err = conn.Close()
	}
	return sent, err
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
