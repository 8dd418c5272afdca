package slownet

import (
	"errors"
	"os"
	"syscall"
)

// isTimeout reports whether a call of the inner connection failed because its
// deadline had passed: the wrapper's deadline, which interrupts the call, or
// the inner connection's own. ETIMEDOUT is neither: it ends the connection.
func isTimeout(err error) bool {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err != nil
	}
	var number syscall.Errno
	var timeout interface{ Timeout() bool }
	return !errors.As(err, &number) && errors.As(err, &timeout) && timeout.Timeout()
}
