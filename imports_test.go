package slowpoetry_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// commandsOnly are the internal packages that no library package imports.
var commandsOnly = []string{"internal/cli", "internal/eventlog", "internal/linkflags", "internal/monitor", "internal/overlay"}

// A user's test does not link libraries that only the commands need, not even
// indirectly.
func TestLibrariesNeedNoLibraryOfTheCommands(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./slownet/...", "./simtest/...", "./clients/...", "./reactor/...", "./poetryserver/...").Output()
	require.NoError(t, err)
	for _, path := range strings.Fields(string(output)) {
		for _, prefix := range []string{"github.com/prometheus/", "github.com/vbauerster/", "github.com/creack/", "github.com/spf13/", "google.golang.org/"} {
			assert.False(t, strings.HasPrefix(path, prefix), path)
		}
		for _, internal := range commandsOnly {
			assert.False(t, strings.HasSuffix(path, "/slowpoetry/"+internal), path)
		}
	}
}

// The library packages stay small: none of them imports dependencies of the
// commands. The simulator drives the model, and does not import the wrappers.
func TestLibrariesImportNoMoreThanTheyMay(t *testing.T) {
	t.Parallel()
	const module = "github.com/slowpoetry/slowpoetry/"
	thirdParties := []string{"github.com/benbjohnson/clock", "github.com/zeebo/xxh3", "golang.org/x/net/ipv4", "golang.org/x/sys/unix"}
	more := map[string][]string{
		"simtest":               {"github.com/schollz/progressbar/v3", "golang.org/x/term"}, // shows the progress of a search
		"slownet/trace/capture": {"github.com/gopacket/gopacket", "github.com/gopacket/gopacket/layers", "github.com/gopacket/gopacket/pcapgo"},
	}
	may := map[string][]string{ // of this module
		"slownet/netem":             {"internal/"},
		"slownet/trace":             {"internal/"},
		"slownet/trace/capture":     {"internal/", "slownet/trace"},
		"slownet/trace/page":        {"slownet/trace"},
		"slownet/trace/chrometrace": {"slownet/trace"},
		"slownet":                   {"internal/", "slownet/netem", "slownet/trace"},
		"slownet/proxy":             {"internal/", "slownet", "slownet/netem", "slownet/trace"},
		"slownet/proxy/page":        {"slownet/proxy", "slownet/trace", "slownet/trace/capture"},
		"simtest":                   {"internal/", "slownet/netem", "slownet/trace"},
		"reactor":                   {"internal/"},
		"clients":                   {"internal/", "reactor", "poetry"},
	}
	output, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./slownet/...", "./simtest/...", "./clients/...", "./reactor/...").Output()
	require.NoError(t, err)
	decoder, packages := json.NewDecoder(strings.NewReader(string(output))), 0
	for decoder.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		require.NoError(t, decoder.Decode(&p))
		packages++
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := may[name]
		assert.True(t, known, "a new package: say here what %s may import", name)
		for _, path := range p.Imports {
			if own, ok := strings.CutPrefix(path, module); ok {
				assert.Condition(t, func() bool {
					for _, a := range allowed {
						if own == a || strings.HasSuffix(a, "/") && strings.HasPrefix(own, a) && !slices.Contains(commandsOnly, own) {
							return true
						}
					}
					return false
				}, "%s imports %s", name, own)
			} else if host, _, _ := strings.Cut(path, "/"); strings.Contains(host, ".") {
				assert.Contains(t, slices.Concat(thirdParties, more[name]), path, "%s imports %s", name, path)
			}
		}
	}
	assert.Equal(t, len(may), packages)
}
