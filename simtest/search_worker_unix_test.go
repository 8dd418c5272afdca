//go:build unix

package simtest

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker waits for its parent in the runtime's poller, not in a system call, which
// would keep the worker's only processor.
func TestInheritedFilesArePolled(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	number, err := syscall.Dup(int(r.Fd())) // Fd has made it block
	require.NoError(t, err)
	file := inheritedFile(uintptr(number))
	defer file.Close()
	require.NoError(t, file.SetReadDeadline(time.Now()), "only polled files have deadlines")
	_, err = file.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
