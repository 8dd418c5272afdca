package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/stretchr/testify/require"
)

// A proxyProcess is Toxiproxy or slownet proxy in a process of its own, as users run it.
type proxyProcess struct {
	client  *toxiproxy.Client
	command *exec.Cmd
	dir     string
	proxies int
}

// startedToxiproxy starts Toxiproxy on first use.
var startedToxiproxy = sync.OnceValues(func() (*proxyProcess, error) {
	return launch(".", "github.com/Shopify/toxiproxy/v2/cmd/server")
})

// startedOurs starts slownet proxy on first use.
var startedOurs = sync.OnceValues(func() (*proxyProcess, error) { return launch("..", "./cmd/slownet") })

// launch builds a proxy in a module's directory, and starts it.
func launch(module, pkg string) (*proxyProcess, error) {
	dir, err := os.MkdirTemp("", "bench-toxiproxy-")
	if err != nil {
		return nil, err
	}
	p := &proxyProcess{dir: dir}
	launched.mu.Lock()
	launched.all = append(launched.all, p)
	launched.mu.Unlock()
	program := filepath.Join(dir, "toxiproxy") // under this name slownet accepts Toxiproxy's command line
	build := exec.Command("go", "build", "-o", program, pkg)
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		return p, fmt.Errorf("%w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return p, err
	}
	p.command = exec.Command(program, "-host", "127.0.0.1", "-port", port)
	p.command.Env = append(os.Environ(), "LOG_LEVEL=error")
	if err := p.command.Start(); err != nil {
		return p, err
	}
	p.client = toxiproxy.NewClient("127.0.0.1:" + port)
	for range 100 {
		if _, err = p.client.Proxies(); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return p, err
}

// freePort returns a port that was free a moment ago.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

func startToxiproxy(b *testing.B) *proxyProcess {
	b.Helper()
	p, err := startedToxiproxy()
	require.NoError(b, err, "Toxiproxy")
	return p
}

func startOurs(b *testing.B) *proxyProcess {
	b.Helper()
	p, err := startedOurs()
	require.NoError(b, err, "slownet proxy")
	return p
}

// launched are the processes to stop at the end.
var launched struct {
	mu  sync.Mutex // guards the fields below
	all []*proxyProcess
}

func stopToxiproxy() {
	launched.mu.Lock()
	defer launched.mu.Unlock()
	for _, p := range launched.all {
		if p.command != nil && p.command.Process != nil {
			_ = p.command.Process.Kill()
			_ = p.command.Wait()
		}
		_ = os.RemoveAll(p.dir)
	}
	launched.all = nil
}

// pair returns a connection through the proxy, with a toxic in the direction
// from its first end to the second, if one is given.
func (p *proxyProcess) pair(b *testing.B, toxic string, attributes toxiproxy.Attributes) (from, to net.Conn) {
	b.Helper()
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer upstream.Close()
	p.proxies++
	proxy, err := p.client.CreateProxy(fmt.Sprint("bench", p.proxies), "127.0.0.1:0", upstream.Addr().String())
	require.NoError(b, err)
	b.Cleanup(func() { _ = proxy.Delete() })
	if toxic != "" {
		_, err := proxy.AddToxic("", toxic, "downstream", 1, attributes)
		require.NoError(b, err)
	}
	to, err = net.Dial("tcp", proxy.Listen)
	require.NoError(b, err)
	from, err = upstream.Accept()
	require.NoError(b, err)
	return from, to
}
