package slownet

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// maxExported is the maximum number of exported names of the package, methods not
// counted: the output of go doc must fit on a screen.
const maxExported = 60

// The output of go doc shows the whole package on one screen.
func TestExportedNames(t *testing.T) {
	names := exportedNames(t)
	t.Logf("%d: %v", len(names), names)
	assert.LessOrEqual(t, len(names), maxExported)
	for _, name := range []string{"NewConn", "Config", "Read", "ReadProfile"} { // one of each kind
		assert.Contains(t, names, name)
	}
}

// exportedNames returns the package's constants, variables, functions and types.
func exportedNames(t *testing.T) (names []string) {
	set := token.NewFileSet()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var files []*ast.File
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") {
			file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	of, err := doc.NewFromFiles(set, files, "github.com/slowpoetry/slowpoetry/slownet")
	require.NoError(t, err)
	add := func(values []*doc.Value, funcs []*doc.Func) {
		for _, value := range values {
			for _, name := range value.Names {
				if token.IsExported(name) {
					names = append(names, name)
				}
			}
		}
		for _, function := range funcs {
			names = append(names, function.Name)
		}
	}
	add(of.Consts, of.Funcs)
	add(of.Vars, nil)
	for _, kind := range of.Types {
		names = append(names, kind.Name)
		add(kind.Consts, kind.Funcs)
		add(kind.Vars, nil)
	}
	return names
}
