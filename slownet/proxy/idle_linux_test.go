package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// idleRole is the environment variable that tells TestIdleRole which process of
// TestTenThousandIdleConnections it is.
const idleRole = "SLOWNET_IDLE_ROLE"

// Idle connections hold no goroutine, and two files each. The proxy has a process of its
// own, so that it has as many files as the hard limit allows.
func TestTenThousandIdleConnections(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	n := tier.Pick(100, 10_000)
	const batch = 25 // the number of connections that are busy at once
	// The files of the process itself, and those of splice: a pipe, which is two files, for
	// each direction from which bytes were copied in the last 50 ms. Go keeps unused pipes
	// until the second garbage collection, and with -race does not reuse a quarter of
	// them. Asking for the counts collects garbage.
	const own = 20 + 8*batch
	if most := (int(limit.Max) - own) / 2; n > most {
		t.Logf("the hard limit of %d files allows %d connections, not %d", limit.Max, most, n)
		n = most
	}
	server, _ := startIdle(t, "server", "")
	at, ask := startIdle(t, "proxy", server)
	var live, goroutines, files int
	settle := func(n, spare int) {
		require.Eventually(t, func() bool {
			_, err := fmt.Sscan(ask(), &live, &goroutines, &files)
			return err == nil && goroutines < 40 && files <= 2*n+spare
		}, 20*time.Second, 50*ms, "goroutines and files of the proxy's process")
	}
	for i := range n {
		if i%batch == 0 {
			time.Sleep(2 * idle)
			if i%(20*batch) == 0 || n-i <= 40*batch { // often when the limit is near
				settle(i, own/2)
			}
		}
		conn, err := net.Dial("tcp", at)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = conn.Write([]byte("?"))
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, 1)) // the server's answer: both ends are connected
		require.NoError(t, err)
	}
	settle(n, own)
	assert.Equal(t, n, live)
	t.Logf("%d idle connections: %d goroutines and %d files in the process of the proxy", live, goroutines, files)
}

// startIdle starts this test binary in a role. It returns the address that the process
// listens on, and a function that asks the process for its counts.
func startIdle(t *testing.T, role, upstream string) (at string, ask func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdleRole$")
	cmd.Env = append(os.Environ(), idleRole+"="+role+" "+upstream)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // ends it
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	return lines.Text(), func() string {
		_, err := fmt.Fprintln(in, "?")
		require.NoError(t, err)
		require.True(t, lines.Scan())
		return lines.Text()
	}
}

// TestIdleRole runs as a process of TestTenThousandIdleConnections. Alone it tests nothing.
func TestIdleRole(t *testing.T) {
	role, upstream, is := strings.Cut(os.Getenv(idleRole), " ")
	if !is {
		return
	}
	switch role {
	case "server":
		fmt.Println(listenFor(t, "tcp", "127.0.0.1:0", func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 1))
			_, _ = conn.Write([]byte("!"))
			_, _ = io.Copy(io.Discard, conn)
		}))
	case "proxy":
		p := addTo(t, newServer(t), Config{Upstream: upstream})
		fmt.Println(p.Config().Listen)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			files, err := os.ReadDir("/proc/self/fd")
			require.NoError(t, err)
			runtime.GC() // which releases the pipes
			fmt.Println(p.Totals().Live, runtime.NumGoroutine(), len(files))
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
