// Package toxiproxynode_test drives our proxy with toxiproxy-node-client. It needs Node
// and npm, which fetches the client according to the lockfile, and fails without them.
package toxiproxynode_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/integration/internal/apitest"
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
	api, echo := apitest.Serve(t, &proxy.API{})
	client.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(dir, "node_modules"), "API="+api, "ECHO="+echo)
	output, err = client.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Regexp(t, `(?m)^. (tests|pass) 18$`, string(output), "all tests have run")
}
