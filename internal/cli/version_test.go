package cli

import (
	"errors"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestVersion(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "0123456789abcdef0123"}}
	dirty := append(commit[:2:2], debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	for _, c := range []struct {
		built string
		info  *debug.BuildInfo
		want  string
	}{
		{"without modules", nil, "devel"},
		{"by go run", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "devel"},
		{"in a test", &debug.BuildInfo{}, "devel"},
		{"by go install of a release", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		{"from a commit", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20260102030405-0123456789ab"}, Settings: commit}, "v1.2.4-0.20260102030405-0123456789ab"},
		{"from a changed tree", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3+dirty"}, Settings: dirty}, "v1.2.3+dirty"},
		{"from a commit, by a Go without pseudo-versions for builds", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: commit}, "devel-0123456789ab"},
		{"from a changed tree, by such a Go", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: dirty}, "devel-0123456789ab+dirty"},
		{"from a short commit", &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "01234"}}}, "devel-01234"},
	} {
		assert.Equal(t, c.want, version(c.info), c.built)
	}
}

// A brokenWriter fails like a full disk.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestVersionThatCannotBePrinted(t *testing.T) {
	assert.EqualError(t, PrintVersion("prog", brokenWriter{}), "cannot print: no space left")
}
