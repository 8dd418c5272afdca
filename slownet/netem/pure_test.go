package netem_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The model is pure: it knows neither clocks, nor sockets, nor goroutines.
func TestPure(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	files := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, 0)
		require.NoError(t, err)
		for _, imported := range file.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			require.NoError(t, err)
			root, _, _ := strings.Cut(path, "/")
			assert.NotContains(t, []string{"net", "os", "sync", "context", "runtime"}, root, "%s imports %s", entry.Name(), path)
			assert.NotContains(t, root, ".", "%s imports %s, which may have a clock", entry.Name(), path)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", entry.Name())
			case *ast.SelectorExpr:
				if pkg, ok := node.X.(*ast.Ident); ok && pkg.Name == "time" {
					forbidden := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
					assert.False(t, slices.Contains(forbidden, node.Sel.Name), "%s calls time.%s", entry.Name(), node.Sel.Name)
				}
			}
			return true
		})
	}
	assert.NotZero(t, files)
}
