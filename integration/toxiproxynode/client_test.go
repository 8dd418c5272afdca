// Package toxiproxynode_test has toxiproxy-node-client drive our proxy. It needs Node and
// npm, which fetches the client as the lockfile says, and fails where there are none.
package toxiproxynode_test

import (
	"context"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

func TestNodeClient(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "%s is missing: install it (apt-get install nodejs npm)", tool)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	output, err := install.CombinedOutput()
	require.NoError(t, err, "npm: %s", output)

	client := exec.CommandContext(ctx, "node", "client.cjs")
	api, echo := serve(t)
	client.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(dir, "node_modules"), "API="+api, "ECHO="+echo)
	output, err = client.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Regexp(t, `(?m)^. (tests|pass) 18$`, string(output), "all tests have run")
}

// serve returns the address of an API, and that of an echo.
func serve(t *testing.T) (api, echo string) {
	server := &proxy.Server{Seed: 1}
	web := httptest.NewServer(&proxy.API{Server: server})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _, _ = io.Copy(conn, conn); _ = conn.Close() })
		}
	})
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		_ = listener.Close()
		serving.Wait()
		web.Close()
	})
	return web.URL, listener.Addr().String()
}
