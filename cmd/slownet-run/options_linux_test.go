package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Every command line in the documentation is valid.
func TestDocumentedCommandLines(t *testing.T) {
	page, err := os.ReadFile("../../docs/run.md")
	require.NoError(t, err)
	t.Chdir(t.TempDir()) // for the files that the command lines name
	for _, name := range []string{"up.trace", "down.trace"} {
		require.NoError(t, os.WriteFile(name, []byte("1\n2\n"), 0o644))
	}
	text := strings.ReplaceAll(string(page), "\\\n", "")
	lines := regexp.MustCompile("[`$ ](slownet run (?:-|--)[^`\n]*)").FindAllStringSubmatch(text, -1)
	require.GreaterOrEqual(t, len(lines), 30)
	for _, line := range lines {
		script := strings.TrimSuffix(strings.TrimSpace(line[1]), "&")
		if !strings.Contains(script, " -- ") {
			script += " -- true"
		}
		words, err := exec.Command("sh", "-c", `printf '%s\n' `+strings.TrimPrefix(script, "slownet run")).Output()
		require.NoError(t, err)
		_, err = parse(strings.Split(strings.TrimSuffix(string(words), "\n"), "\n"), io.Discard)
		assert.NoError(t, err, script)
	}
}

// The values of all flags are in capitals in the help.
func TestHelp(t *testing.T) {
	var out strings.Builder
	_, err := parse([]string{"--help"}, &out)
	require.ErrorIs(t, err, cli.ErrAnswered)
	assert.Contains(t, out.String(), "--seed NUMBER ")
	assert.NotRegexp(t, `(?m)^ +(-\w, )?--\S+ [a-z]+ {2}`, out.String())
}

func TestMTU(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		down, up netem.Link
		want     int
	}{
		{netem.Link{}, netem.Link{}, 1500},
		{netem.Link{MTU: 1400}, netem.Link{}, 1400},
		{netem.Link{MTU: 1400}, netem.Link{MTU: 1300}, 1300},
		{netem.Link{MTU: 9000}, netem.Link{MTU: 9000}, 9000},
		{netem.Link{MTU: 1200, DropOversize: true}, netem.Link{}, 1500},
		{netem.Link{MTU: 65535}, netem.Link{}, 65535},
	} {
		assert.Equal(t, c.want, mtuOf(netem.Profile{Down: c.down, Up: c.up}))
	}
}

// Paths that packets cannot use are refused.
func TestUnusablePaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--mtu", "100000"}, "the path has an mtu of 100000 bytes: it must be 65535 or less"},
		{[]string{"--up", "mtu=65536,dropOversize=true"}, "the path has an mtu of 65536 bytes: it must be 65535 or less"},
		{[]string{"--mtu", "575"}, "the path has an mtu of 575 bytes: it must be 576 or more"},
		{[]string{"--down", "mtu=575,dropOversize=true"}, ""},
		{[]string{"--mtu", "65535"}, ""},
		{[]string{"--mtu", "576"}, ""},
	} {
		_, err := parse(append(c.args, "true"), io.Discard)
		if c.want == "" {
			assert.NoError(t, err, "%q", c.args)
			continue
		}
		assert.EqualError(t, err, c.want, "%q", c.args)
	}
}

// If the file of --set-file exists, the path follows it from the start.
func TestSetFileAtTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "path.json")
	o, err := parse([]string{"--latency", "1ms", "--set-file", file, "true"}, io.Discard)
	require.NoError(t, err)
	assert.NotZero(t, o.profile.Down.Latency)
	require.NoError(t, os.WriteFile(file, []byte(`{"up": {"loss": "1%"}}`), 0o644))
	o, err = parse([]string{"--latency", "1ms", "--set-file", file, "true"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, netem.Profile{Up: netem.Link{Loss: netem.Loss{Random: 0.01}}}, o.profile)
	require.NoError(t, os.WriteFile(file, []byte(`{"up": {"loss": "1"}}`), 0o644))
	_, err = parse([]string{"--set-file", file, "true"}, io.Discard)
	assert.ErrorContains(t, err, file+": netem: profile, line 1: up.loss: ")
	_, err = parse([]string{"--set-file", filepath.Dir(file) + "/missing/path.json", "true"}, io.Discard)
	assert.ErrorContains(t, err, "--set-file: there is no directory "+filepath.Dir(file)+"/missing: create it, or choose another file")
}

// A file that cannot be read is reported once, and is applied when it can be read.
func TestWatchReportsOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "path.json")
	require.NoError(t, os.Mkdir(file, 0o755)) // as a file of a mistaken kind
	stop, warnings, set := make(chan struct{}), make(chan string, 100), make(chan netem.Profile, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		watch(file, stop, func(p netem.Profile) { set <- p }, func(format string, args ...any) { warnings <- fmt.Sprintf(format, args...) })
	})
	assert.Contains(t, <-warnings, "is a directory")
	time.Sleep(4 * watchEvery)
	assert.Empty(t, warnings)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.WriteFile(file, []byte(`{"up": {"loss": "1%"}}`), 0o644))
	assert.Equal(t, 0.01, (<-set).Up.Loss.Random)
	close(stop)
	watching.Wait()
}
