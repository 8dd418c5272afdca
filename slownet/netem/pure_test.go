package netem_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The model is pure: it uses no clocks, sockets, goroutines or locks, and
// neither do the packages of this module that it imports.
func TestPure(t *testing.T) {
	const module = "github.com/slowpoetry/slowpoetry/"
	seen := map[string]bool{}
	var check func(dir string)
	check = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, file := range sources(t, dir) {
			for _, imported := range file.Imports {
				path, err := strconv.Unquote(imported.Path.Value)
				require.NoError(t, err)
				if own, ok := strings.CutPrefix(path, module); ok {
					check(filepath.Join("../..", own))
					continue
				}
				root, _, _ := strings.Cut(path, "/")
				assert.NotContains(t, []string{"net", "os", "sync", "context", "runtime"}, root, "%s imports %s", dir, path)
				assert.NotContains(t, root, ".", "%s imports %s, which may have a clock", dir, path)
			}
			checkPure(t, dir, file)
		}
	}
	check(".")
	assert.Greater(t, len(seen), 1)
}

// sources parses the files of a package, without its tests.
func sources(t *testing.T, dir string) (files []*ast.File) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".go") && !strings.HasSuffix(entry.Name(), "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, entry.Name()), nil, 0)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	require.NotEmpty(t, files, dir)
	return files
}

// checkPure fails if a file starts a goroutine or reads the time.
func checkPure(t *testing.T, dir string, file *ast.File) {
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			t.Errorf("%s starts a goroutine", dir)
		case *ast.SelectorExpr:
			if pkg, ok := node.X.(*ast.Ident); ok && pkg.Name == "time" {
				forbidden := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
				assert.False(t, slices.Contains(forbidden, node.Sel.Name), "%s calls time.%s", dir, node.Sel.Name)
			}
		}
		return true
	})
}
