package poetryserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// maxPiece is how much is sent at a time where the pace sets no limit, so that
// a slow reader shows that it is still there.
const maxPiece = 64 << 10

// farewell is how long a client may take to hang up after the poem.
const farewell = time.Second

// serve sends the poem to one client and says good-bye.
func (s *Server) serve(conn *slownet.Conn) {
	if !s.trackConn(conn) {
		abort(conn)
		return
	}
	defer s.untrackConn(conn)
	client := conn.RemoteAddr()
	s.tell(Event{Kind: Connected, Client: client})
	sent, err := s.send(conn, client)
	if err == nil {
		err = s.hangUp(conn)
	}
	if err != nil {
		abort(conn)
		s.tell(Event{Kind: Gone, Client: client, Bytes: sent, Err: s.explain(err)})
		return
	}
	s.tell(Event{Kind: Done, Client: client, Bytes: sent})
}

// send sends the poem, piece by piece, and returns how much of it was taken.
func (s *Server) send(conn *slownet.Conn, client net.Addr) (sent int, err error) {
	size := s.Pace.Bytes
	if size == 0 {
		size = maxPiece
	}
	for sent < len(s.Poem) {
		if timeout := s.timeout(); timeout > 0 {
			// A piece leaves after the wait that follows the one before.
			if err := conn.SetWriteDeadline(s.clock().Now().Add(s.Pace.Wait + timeout)); err != nil {
				return sent, err
			}
		}
		n, err := conn.Write(s.Poem[sent:min(sent+size, len(s.Poem))])
		sent += n
		if n > 0 {
			s.tell(Event{Kind: Sent, Client: client, Bytes: n})
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// hangUp ends the stream and closes the connection. What the client may have
// said is read and thrown away in between: a connection that is closed with
// something unread is reset, and the end of the poem would be lost.
func (s *Server) hangUp(conn *slownet.Conn) error {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	switch err := conn.CloseWrite(); {
	case errors.Is(err, errors.ErrUnsupported):
		return conn.Close()
	case err != nil:
		return err
	}
	if err := conn.SetReadDeadline(s.clock().Now().Add(farewell)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return conn.Close()
}

// explain returns why a client is gone.
func (s *Server) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("took in nothing for %v", s.timeout())
	case errors.Is(err, net.ErrClosed):
		return ErrServerClosed
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
