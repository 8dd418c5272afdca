package cmd_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

// A proxyProcess is a running slownet proxy.
type proxyProcess struct {
	command *exec.Cmd
	mu      sync.Mutex // guards lines
	lines   []string
	ended   chan struct{}
}

// startProxy starts a program in bin. Its API is on a free port.
func startProxy(t *testing.T, program string, args ...string) *proxyProcess {
	p := &proxyProcess{command: exec.Command(program, args...), ended: make(chan struct{})}
	out, err := p.command.StdoutPipe()
	require.NoError(t, err)
	p.command.Stderr = p.command.Stdout
	require.NoError(t, p.command.Start())
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
		_ = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { _ = p.command.Process.Kill(); <-p.ended })
	return p
}

// says waits for a line that matches, and returns the first submatch.
func (p *proxyProcess) says(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		all := strings.Join(p.lines, "\n")
		p.mu.Unlock()
		if match := re.FindStringSubmatch(all); match != nil {
			return match[len(match)-1]
		}
		require.True(t, time.Now().Before(end), "no line matches %s:\n%s", pattern, all)
	}
}

// end sends Ctrl-C and returns the exit status.
func (p *proxyProcess) end(t *testing.T) int {
	start := time.Now()
	require.NoError(t, p.command.Process.Signal(os.Interrupt))
	<-p.ended
	assert.Less(t, time.Since(start), 5*time.Second, "a second, on an idle machine")
	return p.command.ProcessState.ExitCode()
}

// roundTrip returns the round-trip time of a byte on a new connection.
func roundTrip(t *testing.T, at string) time.Duration {
	t.Helper()
	start := time.Now()
	conn, err := net.Dial("tcp", at)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	require.NoError(t, err)
	return time.Since(start)
}

func proxyCommand(t *testing.T) {
	slownet := filepath.Join(bin, "slownet")
	at, dir := testnet.Echo(t), t.TempDir()

	t.Run("one proxy", func(t *testing.T) {
		traced := filepath.Join(dir, "trace.jsonl")
		p := startProxy(t, slownet, "proxy", "--listen", ":0", "--to", at, "--profile", "webpagetest/3gfast", "--api", "0", "--trace", traced)
		listen := p.says(t, `proxy: (127\.0\.0\.1:\d+) -> `)
		assert.GreaterOrEqual(t, roundTrip(t, listen), 300*time.Millisecond, "connecting and asking")
		api := p.says(t, `API on (http://127\.0\.0\.1:\d+)`)
		status, text := ask(api + "/metrics")
		assert.Equal(t, 200, status)
		assert.Contains(t, text, `toxiproxy_proxy_sent_bytes_total{direction="upstream",listener="`+listen+`",proxy="proxy",upstream="`+at+`"} 1`)
		assert.Equal(t, 0, p.end(t))
		recorded, err := os.ReadFile(traced)
		require.NoError(t, err)
		assert.Contains(t, string(recorded), `"source":"proxy"`)
		assert.Greater(t, strings.Count(string(recorded), "\n"), 3)
	})

	t.Run("a file, and SIGHUP", func(t *testing.T) {
		file := filepath.Join(dir, "proxies.json")
		write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
		write(`{"proxies": [{"name": "a", "listen": "0", "to": "` + at + `"}]}`)
		p := startProxy(t, slownet, "proxy", "--config", file, "--api", "none", "--log-format", "json")
		listen := p.says(t, `"address":"([^"]+)"`)
		roundTrip(t, listen)
		write(`{"proxies": [{"name": "a", "listen": "0", "to": "` + at + `", "down": {"latency": "50ms"}}]}`)
		require.NoError(t, p.command.Process.Signal(syscall.SIGHUP))
		p.says(t, `"msg":"reloaded"`)
		assert.GreaterOrEqual(t, roundTrip(t, listen), 50*time.Millisecond)
		write(`{"proxies": [{"name": "a", "listen": "0"}]}`)
		require.NoError(t, p.command.Process.Signal(syscall.SIGHUP))
		p.says(t, `proxies\.json: proxy \\"a\\": \\"to\\" is missing: .*; nothing was changed`)
		assert.GreaterOrEqual(t, roundTrip(t, listen), 50*time.Millisecond)
		assert.Equal(t, 0, p.end(t))
	})

	t.Run("as toxiproxy", func(t *testing.T) {
		program := filepath.Join(dir, "toxiproxy")
		require.NoError(t, os.Symlink(slownet, program))
		output, err := exec.Command(program, "-version").Output()
		require.NoError(t, err)
		assert.Equal(t, "toxiproxy-server version 2.12.0\n", string(output))
		file := filepath.Join(dir, "toxiproxy.json")
		require.NoError(t, os.WriteFile(file, []byte(`[{"name": "a", "listen": "127.0.0.1:0", "upstream": "`+at+`"}]`), 0o600))
		p := startProxy(t, program, "-host", "127.0.0.1", "-port", "0", "-config="+file)
		api := p.says(t, `"url":"([^"]+)"`)
		status, text := ask(api + "/proxies")
		assert.Equal(t, 200, status)
		var proxies map[string]struct{ Listen string }
		require.NoError(t, json.Unmarshal([]byte(text), &proxies))
		roundTrip(t, proxies["a"].Listen)
		response, err := http.Post(api+"/proxies/a/toxics", "application/json", strings.NewReader(`{"type": "latency", "attributes": {"latency": 50}}`))
		require.NoError(t, err)
		_ = response.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		assert.Equal(t, 200, response.StatusCode)
		assert.GreaterOrEqual(t, roundTrip(t, proxies["a"].Listen), 50*time.Millisecond)
		assert.Equal(t, 0, p.end(t))
	})

	for _, c := range []struct{ args, want string }{
		{"--listen 1", "slownet proxy: --listen and --to must be given together (see slownet proxy --help)\n"},
		{"--profile 3g", "slownet proxy: --profile is for the proxy of --listen and --to: give them, or write the profile into the file (see slownet proxy --help)\n"},
		{"--api none", "slownet proxy: nothing to do: give --listen and --to, or --config, or --api (see slownet proxy --help)\n"},
		{"--listen :x --to 1 --api none", "slownet proxy: --listen: address \":x\": port \"x\" is not a number: want 0 to 65535 (see slownet proxy --help)\n"},
		{"--listen 0 --to db.example --api none", "slownet proxy: --to: address \"db.example\": the port is missing: want PORT or HOST:PORT, such as db.example:10000 (see slownet proxy --help)\n"},
		{"--listen 0 --to 1 --profile 5g --api none", "there is no profile \"5g\""},
		{"--config /no/such/file", "slownet proxy: cannot read --config: open /no/such/file: no such file or directory\n"},
		{"--api " + at + "0", "is out of range"},
		{"--api " + at, "slownet proxy: cannot serve the API on " + at + ": the port is in use; choose another one with --api, or none\n"},
		{"--listen " + at + " --to 1 --api none", "choose another port, or 0 for any free one"},
	} {
		output, err := exec.Command(slownet, append([]string{"proxy"}, strings.Fields(c.args)...)...).CombinedOutput()
		assert.Error(t, err)
		assert.Contains(t, string(output), c.want, c.args)
	}
}
