package simtest

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// syscallError returns the error of a system call that failed, as the net
// package reports it.
func syscallError(call string, errno syscall.Errno) error {
	return os.NewSyscallError(call, errno)
}

// A canceled dial reports what net.Dialer's does: an error of its own that is
// the context's as well.
type dialContextError struct {
	text  string
	cause error
}

// Error returns the words that net.Dialer has for it.
func (e *dialContextError) Error() string { return e.text }

// Timeout reports whether the context's deadline has passed.
func (e *dialContextError) Timeout() bool { return e.cause == context.DeadlineExceeded }

// Temporary is Timeout, as for net.Dialer's.
func (e *dialContextError) Temporary() bool { return e.Timeout() }

// Unwrap returns the context's error.
func (e *dialContextError) Unwrap() error { return e.cause }

// dialError returns what a dial reports when its context has ended.
func dialError(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return &dialContextError{"i/o timeout", context.DeadlineExceeded}
	}
	return &dialContextError{"operation was canceled", context.Canceled}
}

// contextError returns why a context has ended, or nil. A deadline has passed at
// its very instant, whether or not its timer has fired yet. Call it only once:
// a moment later the answer may differ.
func contextError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// errNetworkDown is what a host that has crashed and is not back reports, to
// goroutines that have outlived it.
func errNetworkDown(call string) error { return syscallError(call, syscall.ENETDOWN) }
