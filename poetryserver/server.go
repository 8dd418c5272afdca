package poetryserver

import (
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("poetryserver: server closed")

// DefaultTimeout is the Timeout of a Server that does not set one.
const DefaultTimeout = time.Minute

// A Server serves a poem. Its fields must not change after the first call of
// Serve.
type Server struct {
	// Poem is sent to every client.
	Poem []byte

	// Pace is the size of the pieces and the wait after each. The zero Pace sends
	// the poem at once.
	Pace netem.Pace

	// Concurrent serves all clients at once. Otherwise the clients of a listener
	// are served one after another.
	Concurrent bool

	// Timeout limits the time in which a client accepts no byte, to within an
	// eighth, and the time that a client takes to close after the poem. The
	// pace's waits do not count. Zero means DefaultTimeout, below zero no limit.
	Timeout time.Duration

	// Clock measures the pace and the timeout. Nil means the system clock.
	Clock clock.Clock

	// Observer, if not nil, receives all events. It is called by the goroutine
	// that serves the client, so on a concurrent server by several goroutines
	// at once. It may call Close, but not Shutdown, which would wait for it.
	Observer func(ClientEvent)

	mu        sync.Mutex // guards the fields below
	listeners map[net.Listener]struct{}
	conns     map[*slownet.Conn]phase
	stopped   chan struct{} // closed by Shutdown and Close; nil before Serve
	closed    chan struct{} // closed by Close; nil before Serve
	closing   bool
	isClosed  bool          // closed is closed
	idle      chan struct{} // closed when the last connection is done; nil before Shutdown or Close
}

// A phase is the phase of a connection.
type phase int

const (
	served  phase = iota // the poem is being sent
	leaving              // the client has received the poem and should close
)

// Serve accepts connections and sends the poem to each, until Shutdown, Close or
// an error of the listener. Then it closes the listener, waits until all its
// clients are gone, and returns; after Shutdown or Close the error is
// [ErrServerClosed]. It panics if the Pace is invalid; see [netem.Link.Validate].
func (s *Server) Serve(listener net.Listener) error {
	l := slownet.NewListener(
		&timeoutListener{listener, s.clock(), s.timeout()},
		slownet.Config{Clock: s.clock(), Write: netem.Link{Pace: s.Pace}})
	var clients sync.WaitGroup
	defer clients.Wait()
	defer l.Close()
	stopped, ok := s.track(l)
	if !ok {
		return ErrServerClosed
	}
	defer s.untrack(l)
	var delay time.Duration
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
		case s.isClosing():
			return ErrServerClosed
		case isTemporary(err):
			if delay == 0 {
				s.tell(ClientEvent{Kind: NotAccepted, Client: l.Addr(), Err: err})
			}
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.pause(delay, stopped)
			continue
		default:
			return err
		}
		if s.Concurrent {
			clients.Go(func() { s.serve(conn.(*slownet.Conn), &clients) })
		} else {
			s.serve(conn.(*slownet.Conn), &clients)
		}
	}
}

// isTemporary reports whether Accept may succeed when called again, for example
// when the process has run out of file descriptors.
func isTemporary(err error) bool {
	temporary, ok := err.(interface{ Temporary() bool })
	return ok && temporary.Temporary()
}

// Shutdown stops listening and waits until the clients being served have
// received the poem and are gone. If the context ends first, Shutdown returns its
// error and leaves those clients connected. Clients that wait for their turn are no
// longer served; clients that have received the poem have a second to close.
func (s *Server) Shutdown(ctx context.Context) error {
	idle := s.stopListening()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close stops listening and closes all connections. Clients that have not received
// the whole poem see a reset, so that none mistakes a part for the whole. Close does
// not wait; Serve returns soon after.
func (s *Server) Close() error {
	s.stopListening()
	s.mu.Lock()
	conns := maps.Clone(s.conns)
	if s.closed != nil && !s.isClosed {
		s.isClosed = true
		close(s.closed)
	}
	s.mu.Unlock()
	for conn, phase := range conns {
		if phase == served {
			abort(conn)
		} else {
			_ = conn.Close()
		}
	}
	return nil
}

// abort resets a connection.
func abort(conn *slownet.Conn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// stopListening closes the listeners, and returns a channel that is closed when
// no connection is open.
func (s *Server) stopListening() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing && s.stopped != nil {
		close(s.stopped)
	}
	s.closing = true
	for l := range s.listeners {
		_ = l.Close()
	}
	for conn, phase := range s.conns {
		if phase == leaving {
			_ = conn.SetReadDeadline(s.clock().Now().Add(shutdownGrace))
		}
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
		if len(s.conns) == 0 {
			close(s.idle)
		}
	}
	return s.idle
}

// pause waits for d, or until Shutdown or Close.
func (s *Server) pause(d time.Duration, stopped <-chan struct{}) {
	timer := s.clock().Timer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stopped:
	}
}

// track records a listener in use, unless the server is stopping. The channel
// is closed by Shutdown and Close.
func (s *Server) track(l net.Listener) (stopped <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, false
	}
	if s.stopped == nil {
		s.stopped, s.closed = make(chan struct{}), make(chan struct{})
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
	}
	s.listeners[l] = struct{}{}
	return s.stopped, true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) trackConn(conn *slownet.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*slownet.Conn]phase)
	}
	s.conns[conn] = served
	return true
}

// startLeaving records that a client has received the poem. It sets and returns
// the time by which the client must close; the zero time means no limit.
func (s *Server) startLeaving(conn *slownet.Conn) (until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = leaving
	switch timeout := s.timeout(); {
	case s.closing:
		until = s.clock().Now().Add(shutdownGrace)
	case timeout > 0:
		until = s.clock().Now().Add(timeout)
	}
	_ = conn.SetReadDeadline(until)
	return until
}

func (s *Server) untrackConn(conn *slownet.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	if len(s.conns) == 0 && s.idle != nil {
		close(s.idle)
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Server) clock() clock.Clock {
	if s.Clock == nil {
		return clock.New()
	}
	return s.Clock
}
