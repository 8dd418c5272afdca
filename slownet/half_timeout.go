package slownet

import (
	"errors"
	"os"
	"syscall"
)

// isTimeout reports whether a call of the inner connection failed because its
// deadline had passed. That deadline may be ours, which makes the call return,
// or one that the inner connection has set itself. ETIMEDOUT is neither: it is
// the end of the connection.
func isTimeout(err error) bool {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err != nil
	}
	var number syscall.Errno
	var timeout interface{ Timeout() bool }
	return !errors.As(err, &number) && errors.As(err, &timeout) && timeout.Timeout()
}
