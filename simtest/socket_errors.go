package simtest

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// syscallError returns the error of a failed system call, as the net package reports
// it.
func syscallError(call string, errno syscall.Errno) error {
	return os.NewSyscallError(call, errno)
}

// A dialContextError is the error of a canceled dial, as with net.Dialer: it has its
// own text and wraps the context's error.
type dialContextError struct {
	text  string
	cause error
}

// Error returns net.Dialer's text.
func (e *dialContextError) Error() string { return e.text }

// Timeout reports whether the context's deadline has passed.
func (e *dialContextError) Timeout() bool { return e.cause == context.DeadlineExceeded }

// Temporary is Timeout, as with net.Dialer.
func (e *dialContextError) Temporary() bool { return e.Timeout() }

// Unwrap returns the context's error.
func (e *dialContextError) Unwrap() error { return e.cause }

// dialError returns the error of a dial whose context has ended.
func dialError(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return &dialContextError{"i/o timeout", context.DeadlineExceeded}
	}
	return &dialContextError{"operation was canceled", context.Canceled}
}

// contextError returns the error of a context that has ended, or nil. A deadline has
// passed at its instant, whether or not its timer has fired. Call it only once: a
// moment later the result may differ.
func contextError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// errNetworkDown returns the error of calls on a host that is down, from goroutines
// that have outlived it.
func errNetworkDown(call string) error { return syscallError(call, syscall.ENETDOWN) }
