package overlay

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var learn = flag.String("learn", "", "rewrite known.txt for the versions of Go in these directories, a colon-separated list; test the overlay with each of them first")

// goroot returns the directory of the Go that runs the tests.
func goroot(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(output))
}

// writeKnown writes known.txt.
func writeKnown(t *testing.T, goroots []string) {
	var versions []string
	hashes := make(map[string]bool)
	for _, goroot := range goroots {
		version, err := os.ReadFile(filepath.Join(goroot, "VERSION"))
		require.NoError(t, err)
		name, _, _ := strings.Cut(string(version), "\n")
		fit, err := New(goroot, name)
		require.NoError(t, err)
		versions = append(versions, name)
		for _, hash := range fit.hashes {
			hashes[hash] = true
		}
	}
	text := strings.Join(versions, " ") + "\n" + strings.Join(slices.Sorted(maps.Keys(hashes)), "\n") + "\n"
	require.NoError(t, os.WriteFile("known.txt", []byte(text), 0o666))
}

// The edits fit the Go that runs the tests, and every file is still valid Go.
func TestFitsTheGoInUse(t *testing.T) {
	if *learn != "" {
		writeKnown(t, filepath.SplitList(*learn))
		return
	}
	fit, err := New(goroot(t), runtime.Version())
	require.NoError(t, err)
	assert.Greater(t, fit.Edits, 70)
	for name, text := range fit.Files {
		_, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		assert.NoError(t, err, name)
		if original, err := os.ReadFile(filepath.Join(fit.GOROOT, "src", name)); err == nil {
			assert.Equal(t, strings.Count(string(original), "\n"), strings.Count(text, "\n"), "lines of %s keep their numbers", name)
			assert.NotEqual(t, string(original), text, name)
		} else {
			assert.True(t, Adds(name), name)
		}
	}
	if slices.Contains(knownVersions(), fit.Version) {
		assert.Empty(t, fit.Unknown)
		assert.Empty(t, fit.Warning())
	}
}

// doctored returns a folder with copies of the files to edit, in which a text of one file
// is replaced.
func doctored(t *testing.T, file, old, new string) (folder string) {
	from := goroot(t)
	folder = t.TempDir()
	files := make(map[string]bool)
	for _, e := range edits {
		files[e.file] = true
		if e.or != nil {
			files[e.or.file] = true
		}
	}
	for name := range files {
		text, err := os.ReadFile(filepath.Join(from, "src", name))
		if err != nil {
			continue // only other versions of Go have it
		}
		if name == file {
			require.Contains(t, string(text), old)
			text = []byte(strings.ReplaceAll(string(text), old, new))
		}
		to := filepath.Join(folder, "src", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o777))
		require.NoError(t, os.WriteFile(to, text, 0o666))
	}
	return folder
}

// A version of Go without one of the places is rejected, with the name of the place.
func TestRefusesWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct{ file, old, new, want string }{
		{"runtime/proc.go", "func gdestroy(", "func gdestroyed(", "go1.99 cannot be edited: src/runtime/proc.go has no function gdestroy"},
		{"runtime/sema.go", "goparkunlock(", "goparkunlocked(", "go1.99 cannot be edited: src/runtime/sema.go: function semacquire1 does not fit: it has 0 calls of goparkunlock, not 1"},
		{"runtime/runtime2.go", "type g struct", "type gg struct", "go1.99 cannot be edited: src/runtime/runtime2.go has no type g"},
		{"net/fd_posix.go", "func (fd *netFD) Read(", "func (fd netFD) Read(", "go1.99 cannot be edited: src/net/fd_posix.go has no function (*netFD).Read"},
		{"time/sleep.go", "func AfterFunc(d Duration, f func())", "func AfterFunc(d Duration, _ func())", "go1.99 cannot be edited: src/time/sleep.go: function AfterFunc does not fit: it has no parameter $2 with a name"},
	} {
		_, err := New(doctored(t, c.file, c.old, c.new), "go1.99")
		assert.EqualError(t, err, c.want)
	}
	_, err := New(t.TempDir(), "go1.99")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "go1.99 cannot be edited: ")
}

// Syntax that the parser does not know is ignored, unless it is at an edited place.
func TestSyntaxOfANewerGo(t *testing.T) {
	added := "\nfunc (t *Timer) Map[T any](f func(T)) {}\n\nfunc AfterFunc("
	_, err := New(doctored(t, "time/sleep.go", "\nfunc AfterFunc(", added), "go1.99")
	require.NoError(t, err)
	_, err = New(doctored(t, "time/sleep.go", "func AfterFunc(", "funk AfterFunc("), "go1.99")
	assert.EqualError(t, err, "go1.99 cannot be edited: src/time/sleep.go has no function AfterFunc")
}

// An unknown version of Go that all edits fit causes a warning of one line.
func TestWarnsOfWhatItDoesNotKnow(t *testing.T) {
	if !slices.Contains(knownVersions(), runtime.Version()) {
		t.Skipf("%s is not known", runtime.Version())
	}
	fit, err := New(doctored(t, "", "", ""), "go1.99")
	require.NoError(t, err)
	assert.Equal(t, "go1.99 has not been tested, but all edited functions are the same as in a tested version", fit.Warning())
	fit, err = New(doctored(t, "runtime/proc.go", "func gdestroy(gp *g) {", "func gdestroy(gp *g) {\n\t_ = 0\n"), runtime.Version())
	require.NoError(t, err)
	assert.False(t, fit.Known())
	assert.Equal(t, []string{"gdestroy in src/runtime/proc.go"}, fit.Unknown)
	assert.Contains(t, fit.Warning(), "but 1 of the functions has changed since, such as gdestroy in src/runtime/proc.go")
	assert.NotContains(t, fit.Warning(), "\n")
}

// All text that the overlay adds is the project's own: its names differ from Go's.
func TestAdditionsAreNotGosText(t *testing.T) {
	fit, err := New(goroot(t), runtime.Version())
	require.NoError(t, err)
	added := 0
	for name, text := range fit.Files {
		if !Adds(name) {
			continue
		}
		added++
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || strings.Contains(strings.ToLower(functionName(f)), "sim") {
				continue
			}
			// A function that replaces a renamed function has the original name.
			assert.True(t, slices.ContainsFunc(edits, func(e edit) bool {
				return filepath.Dir(e.file) == filepath.Dir(name) && e.name == functionName(f)
			}) || f.Recv != nil || !f.Name.IsExported(), "%s: %s", name, functionName(f))
		}
	}
	assert.Equal(t, 13, added)
}
