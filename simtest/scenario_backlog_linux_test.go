package simtest_test

import (
	"net"
	"syscall"

	"github.com/stretchr/testify/require"
)

// shrinkBacklog makes the queue of a listening socket shorter: it holds size+1
// connections that wait to be accepted.
func shrinkBacklog(w *world, l net.Listener, size int) {
	w.Helper()
	raw, err := l.(*net.TCPListener).SyscallConn()
	require.NoError(w, err)
	require.NoError(w, raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), size) }))
	require.NoError(w, err)
}
