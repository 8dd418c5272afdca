package overlay

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sampleFit() *Fit {
	return &Fit{GOROOT: filepath.FromSlash("/go"), Version: "go1.99", Files: map[string]string{"a/a.go": "package a", "b/b.go": "package b"}}
}

func readOverlay(t *testing.T, made *Made) map[string]string {
	text, err := os.ReadFile(made.File)
	require.NoError(t, err)
	var content struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(text, &content))
	return content.Replace
}

// Overlays with the same content are written only once.
func TestMake(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	g := &Go{GOROOT: "/go", GOMODCACHE: "/mod", GOOS: "linux"}
	made, err := Make(g, sampleFit(), nil, cache)
	require.NoError(t, err)
	assert.Empty(t, made.Go)
	replace := readOverlay(t, made)
	require.Len(t, replace, 2)
	text, err := os.ReadFile(replace[filepath.FromSlash("/go/src/a/a.go")])
	require.NoError(t, err)
	assert.Equal(t, "package a", string(text))

	before, err := os.Stat(made.File)
	require.NoError(t, err)
	again, err := Make(g, sampleFit(), nil, cache)
	require.NoError(t, err)
	assert.Equal(t, made.File, again.File)
	after, err := os.Stat(made.File)
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime())

	other := sampleFit()
	other.Files["a/a.go"] = "package a // changed"
	changed, err := Make(g, other, nil, cache)
	require.NoError(t, err)
	assert.NotEqual(t, made.File, changed.File)
	g.GOEXPERIMENT = "some"
	experiment, err := Make(g, sampleFit(), nil, cache)
	require.NoError(t, err)
	assert.NotEqual(t, made.File, experiment.File)
	entries, err := os.ReadDir(cache)
	require.NoError(t, err)
	assert.Len(t, entries, 3, "no partly written file is left")
}

// A toolchain in the module cache is called through a link.
func TestMakeForAToolchainInTheModuleCache(t *testing.T) {
	cache := t.TempDir()
	g := &Go{GOROOT: "/mod/toolchain", GOMODCACHE: "/mod"}
	fit := sampleFit()
	fit.GOROOT = g.GOROOT
	made, err := Make(g, fit, nil, cache)
	require.NoError(t, err)
	link := strings.TrimPrefix(made.Env[0], "GOROOT=")
	assert.Equal(t, []string{"GOROOT=" + link, "GOTOOLCHAIN=local"}, made.Env)
	assert.Equal(t, filepath.Join(link, "bin", "go"), made.Go)
	target, err := os.Readlink(link)
	require.NoError(t, err)
	assert.Equal(t, "/mod/toolchain", target)
	assert.Contains(t, readOverlay(t, made), filepath.Join(link, "src", "a", "a.go"))
}

// An overlay of this package in GOFLAGS, whether of this version or not, is not merged with
// itself. What it has of the user's is.
func TestMakeWithItsOwn(t *testing.T) {
	cache := t.TempDir()
	g := &Go{GOROOT: "/go", GOMODCACHE: "/mod"}
	first, err := Make(g, sampleFit(), map[string]string{"/x/x.go": "/x/y.go", "/x/z.go": ""}, cache)
	require.NoError(t, err)
	own, err := ReadOwn(first.File)
	require.NoError(t, err)
	own["/go/src/old/old.go"] = filepath.Join(cache, "go1.0-0", "src", "old", "old.go")
	again, err := Make(g, sampleFit(), own, cache)
	require.NoError(t, err)
	assert.Equal(t, first, again)
}

// A user's own overlay is merged; a file in both is rejected.
func TestMakeWithTheUsersOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("own.json", []byte(`{"Replace": {"x.go": "y.go", "/go/src/c/c.go": ""}}`), 0o666))
	own, err := ReadOwn("own.json")
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	g := &Go{GOROOT: "/go", GOMODCACHE: "/mod"}
	made, err := Make(g, sampleFit(), own, t.TempDir())
	require.NoError(t, err)
	replace := readOverlay(t, made)
	assert.Len(t, replace, 4)
	assert.Equal(t, filepath.Join(here, "y.go"), replace[filepath.Join(here, "x.go")])

	own["/go/src/a/a.go"] = "/mine/a.go"
	empty := t.TempDir()
	_, err = Make(g, sampleFit(), own, empty)
	assert.EqualError(t, err, "your own -overlay replaces /go/src/a/a.go, which this overlay must edit: remove that file from yours")
	entries, err := os.ReadDir(empty)
	require.NoError(t, err)
	assert.Empty(t, entries)

	require.NoError(t, os.WriteFile("own.json", []byte(`no`), 0o666))
	_, err = ReadOwn("own.json")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "your own -overlay, own.json, cannot be read: ")
}

func TestOwnOverlay(t *testing.T) {
	for args, want := range map[string]string{
		"":                             "|",
		"-v ./...":                     "|-v ./...",
		"-overlay a.json -v":           "a.json|-v",
		"-v --overlay=a.json .":        "a.json|-v .",
		"-v . -args -overlay=a.json":   "|-v . -args -overlay=a.json",
		"-overlay=a . -- -overlay=b":   "a|. -- -overlay=b",
		"-v -overlay":                  "|-v -overlay",
		"-overlayed=x -run -overlay=y": "y|-overlayed=x -run",
	} {
		file, others := OwnOverlay(strings.Fields(args))
		assert.Equal(t, want, file+"|"+strings.Join(others, " "), args)
	}
}
