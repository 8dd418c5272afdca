package markdown

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var directed = regexp.MustCompile("(?ms)^<!-- *([a-z]+): *(.*?) *-->\n```(\\w+)\n(.*?)^```$")

// Check compares the code blocks of a page that follow a comment of the form
//
//	<!-- KIND: ARGUMENTS -->
//
// with the result of the kind's function for the arguments. With DOCS_UPDATE=1 it
// rewrites the page instead. Blocks of other kinds are ignored.
func Check(t *testing.T, page string, kinds map[string]func(t *testing.T, arguments string) string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	now := directed.ReplaceAllStringFunc(string(text), func(whole string) string {
		parts := directed.FindStringSubmatch(whole)
		kind, arguments, info, content := parts[1], parts[2], parts[3], parts[4]
		get, ok := kinds[kind]
		if !ok {
			return whole
		}
		want := get(t, arguments)
		if os.Getenv("DOCS_UPDATE") == "" {
			assert.Equal(t, want, content, "%s: the block after %q; DOCS_UPDATE=1 rewrites it", page, kind+": "+arguments)
		}
		return fmt.Sprintf("<!-- %s: %s -->\n```%s\n%s```", kind, arguments, info, want)
	})
	if os.Getenv("DOCS_UPDATE") != "" && now != string(text) {
		require.NoError(t, os.WriteFile(page, []byte(now), 0o666))
	}
}

// Source returns a function for [Check] whose arguments are a Go file and the names of
// functions or types in it, "FILE NAME...", or just a file, for all of it. Files are
// relative to the folder.
func Source(folder string) func(t *testing.T, arguments string) string {
	return func(t *testing.T, arguments string) string {
		t.Helper()
		words := strings.Fields(arguments)
		text, err := os.ReadFile(filepath.Join(folder, words[0]))
		require.NoError(t, err)
		if len(words) == 1 {
			return string(text)
		}
		var shown []string
		for _, name := range words[1:] {
			declaration, err := declaration(text, name)
			require.NoError(t, err, words[0])
			shown = append(shown, declaration)
		}
		return strings.Join(shown, "\n")
	}
}

// declaration returns a function, a method ("Type.Method") or a type in a file, with its
// comment.
func declaration(source []byte, name string) (string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return "", err
	}
	for _, d := range file.Decls {
		var doc *ast.CommentGroup
		found := false
		switch d := d.(type) {
		case *ast.FuncDecl:
			doc, found = d.Doc, nameOf(d) == name
		case *ast.GenDecl:
			doc = d.Doc
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					found = found || spec.Name.Name == name
				case *ast.ValueSpec:
					found = found || spec.Names[0].Name == name
				}
			}
		}
		if found {
			from := d.Pos()
			if doc != nil {
				from = doc.Pos()
			}
			text := source[files.Position(from).Offset:files.Position(d.End()).Offset]
			return string(bytes.TrimRight(text, "\n")) + "\n", nil
		}
	}
	return "", fmt.Errorf("no declaration of %s", name)
}

// nameOf returns a function's name, with the type of its receiver if it has one.
func nameOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	receiver := d.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	return fmt.Sprint(receiver, ".", d.Name.Name)
}
