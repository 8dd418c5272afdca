package reactor

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An epoll is the poller for sockets. Its descriptor is registered with the
// runtime's network poller, so a loop that waits does not block a thread.
type epoll struct {
	reactor *Reactor
	file    *os.File // the epoll descriptor
	raw     syscall.RawConn
	events  [256]unix.EpollEvent
	sockets []*socket // by descriptor

	// wait is created once; block is its argument, and the others its results.
	wait   func(epfd uintptr) bool
	block  bool
	n      int
	failed error
}

// newSocket returns the source for a connection, or nil if the connection is not a
// socket or cannot be added to epoll.
func (r *Reactor) newSocket(c *Conn) source {
	switch c.conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	raw, err := c.conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	e, err := r.epoll()
	if err != nil {
		return nil
	}
	s := &socket{conn: c, epoll: e, raw: raw}
	s.read = func(fd uintptr) bool {
		s.n, s.err = unix.Read(int(fd), s.buffer)
		return true // whatever the result, so that the runtime does not wait
	}
	if err := e.add(s); err != nil {
		return nil
	}
	return s
}

// epoll returns the loop's epoll, which it creates if necessary. Only the loop calls
// it.
func (r *Reactor) epoll() (*epoll, error) {
	if e, ok := r.poller.(*epoll); ok {
		return e, nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	e := &epoll{reactor: r, file: os.NewFile(uintptr(fd), "epoll")}
	if err := e.file.SetReadDeadline(time.Time{}); err != nil {
		_ = e.file.Close()
		return nil, err // the runtime's poller does not support the descriptor
	}
	if e.raw, err = e.file.SyscallConn(); err != nil {
		_ = e.file.Close()
		return nil, err
	}
	e.wait = func(epfd uintptr) bool {
		for {
			e.n, e.failed = unix.EpollWait(int(epfd), e.events[:], 0)
			if e.failed != unix.EINTR {
				return e.n != 0 || e.failed != nil || !e.block
			}
		}
	}
	r.setPoller(e)
	return e, nil
}

// add registers a socket.
func (e *epoll) add(s *socket) error {
	var failed error
	err := s.raw.Control(func(fd uintptr) {
		s.fd = int(fd)
		for len(e.sockets) <= s.fd {
			e.sockets = append(e.sockets, nil)
		}
		e.sockets[s.fd] = s
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)}
		failed = e.control(unix.EPOLL_CTL_ADD, s.fd, &event)
	})
	return errors.Join(err, failed)
}

func (e *epoll) control(op, fd int, event *unix.EpollEvent) error {
	var failed error
	err := e.raw.Control(func(epfd uintptr) {
		failed = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(epfd), op, fd, event))
	})
	return errors.Join(err, failed)
}

// poll marks the sockets that are ready. If block is set, it waits until there is one
// or until wake is called.
func (e *epoll) poll(block bool) error {
	e.block, e.n, e.failed = block, 0, nil
	err := e.raw.Read(e.wait)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil // woken
	case err != nil:
		return err
	case e.failed != nil:
		return os.NewSyscallError("epoll_wait", e.failed)
	}
	for _, event := range e.events[:e.n] {
		if s := e.sockets[event.Fd]; s != nil {
			e.reactor.markReady(s.conn)
		}
	}
	return nil
}

// wake ends a blocking poll: it sets a deadline in the past, which awake removes.
func (e *epoll) wake() { _ = e.file.SetReadDeadline(time.Unix(1, 0)) }

func (e *epoll) awake() { _ = e.file.SetReadDeadline(time.Time{}) }

func (e *epoll) close() { _ = e.file.Close() }

// A socket is the source for a connection that epoll watches.
type socket struct {
	conn  *Conn
	epoll *epoll
	raw   syscall.RawConn
	fd    int

	// read is created once; buffer is its argument, and n and err are its results.
	read   func(fd uintptr) bool
	buffer []byte
	n      int
	err    error
}

func (s *socket) tryRead(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		s.buffer = p
		err := s.raw.Read(s.read)
		s.buffer = nil
		switch {
		case err != nil:
			return 0, readError(err)
		case s.err == unix.EINTR:
			continue
		case s.err == unix.EAGAIN:
			return 0, ErrWouldBlock
		case s.err != nil:
			c := s.conn.conn
			return 0, &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", s.err)}
		case s.n == 0:
			return 0, io.EOF
		}
		return s.n, nil
	}
}

// repeats returns true: epoll is level-triggered.
func (s *socket) repeats() bool { return true }

func (s *socket) stop() {
	s.epoll.sockets[s.fd] = nil
	_ = s.epoll.control(unix.EPOLL_CTL_DEL, s.fd, nil)
}

// readError changes the operation of a raw read's error into "read".
func readError(err error) error {
	if raw, ok := err.(*net.OpError); ok {
		read := *raw
		read.Op = "read"
		return &read
	}
	return err
}
