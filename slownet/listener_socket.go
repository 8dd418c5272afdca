package slownet

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// SetDeadline sets the time after which Accept fails with
// os.ErrDeadlineExceeded, on the listener's clock. The zero time means no
// deadline. It returns an error that matches errors.ErrUnsupported if the inner
// listener has no SetDeadline method.
func (l *Listener) SetDeadline(t time.Time) error {
	inner, ok := l.Listener.(deadliner)
	if !ok {
		return l.opError("set", errors.ErrUnsupported)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := inner.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if l.deadline.set(l.path.clock, t, l); l.deadline.passed {
		return inner.SetDeadline(longAgo)
	}
	return nil
}

// Close closes the listener, but none of its connections.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.deadline.set(l.path.clock, time.Time{}, l)
	l.mu.Unlock()
	return l.Listener.Close()
}

// expire is called by the timer that the given change has set.
func (l *Listener) expire(change int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if change == l.deadline.changes {
		l.deadline.passed = true
		_ = l.Listener.(deadliner).SetDeadline(longAgo) // fails only on a closed listener, where nothing waits
	}
}

// isPastDeadline reports whether the deadline has passed.
func (l *Listener) isPastDeadline() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline.hasPassed(l.path.clock)
}

// A deadliner is a listener that has a deadline.
type deadliner interface{ SetDeadline(time.Time) error }

// SyscallConn returns access to the inner listener's file descriptor, for socket
// options and the like. It returns an error that matches errors.ErrUnsupported if
// the inner listener has no descriptor.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	inner, ok := l.Listener.(syscall.Conn)
	if !ok {
		return nil, l.opError("raw", errors.ErrUnsupported)
	}
	return inner.SyscallConn()
}

// File returns a copy of the inner listener's file descriptor. If
// net.FileListener makes a listener of it, the connections of that listener bypass
// the links. File returns an error that matches errors.ErrUnsupported if the inner
// listener has no descriptor.
func (l *Listener) File() (*os.File, error) {
	inner, ok := l.Listener.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, l.opError("file", errors.ErrUnsupported)
	}
	return inner.File()
}

// opError wraps an error as the net package does.
func (l *Listener) opError(op string, err error) error {
	wrapped := &net.OpError{Op: op, Addr: l.Addr(), Err: err}
	if wrapped.Addr != nil {
		wrapped.Net = wrapped.Addr.Network()
	}
	return wrapped
}
