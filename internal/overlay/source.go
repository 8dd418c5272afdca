package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var variable = regexp.MustCompile(`\$(r|[0-9]+)`)

// A source is a file of the standard library, with the changes to make to it.
type source struct {
	file    string // below GOROOT/src
	path    string
	text    string
	set     *token.FileSet
	syntax  *ast.File
	changes []change
}

// readSource reads a file of the standard library.
func readSource(goroot, file string) (*source, error) {
	path := filepath.Join(goroot, "src", filepath.FromSlash(file))
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &source{file: file, path: path, text: string(text), set: token.NewFileSet()}
	// A newer Go may have syntax that this parser does not know. The parser
	// continues after an error, and the unknown parts have no declarations.
	s.syntax, err = parser.ParseFile(s.set, path, text, parser.SkipObjectResolution|parser.ParseComments|parser.AllErrors)
	if s.syntax != nil && len(s.syntax.Decls) > 0 {
		return s, nil
	}
	return s, err
}

// declaration returns the function or type with the given name, or nil.
func (s *source) declaration(name string) *declaration {
	for _, decl := range s.syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if functionName(decl) == name {
				return &declaration{source: s, node: decl, fn: decl}
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok && "type "+t.Name.Name == name {
					of, _ := t.Type.(*ast.StructType)
					return &declaration{source: s, node: t, of: of}
				}
			}
		}
	}
	return nil
}

// functionName returns the name of a function, or of a method as in
// "(*Mutex).Lock" or "waitReason.String".
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return f.Name.Name
	}
	if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
		return "(*" + typeName(star.X) + ")." + f.Name.Name
	}
	return typeName(f.Recv.List[0].Type) + "." + f.Name.Name
}

// typeName returns the name of a type, without its parameters.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	}
	return ""
}

// hash returns a short hash of the declaration's text, without its comment.
func (d *declaration) hash() string {
	from, to := d.offset(d.node.Pos()), d.offset(d.node.End())
	if d.fn != nil {
		from = d.offset(d.fn.Type.Pos())
	}
	sum := sha256.Sum256([]byte(d.text[from:to]))
	return hex.EncodeToString(sum[:6])
}

// apply adds the changes of an edit to its source. It returns the file, the name
// and the hash of the edited declaration.
func (e edit) apply(goroot string, sources map[string]*source) (hash string, err error) {
	s := sources[e.file]
	if s == nil {
		if s, err = readSource(goroot, e.file); err != nil {
			if e.or != nil && errors.Is(err, fs.ErrNotExist) {
				return e.or.apply(goroot, sources)
			}
			return "", err
		}
		sources[e.file] = s
	}
	what := e.name
	if !strings.HasPrefix(what, "type ") {
		what = "function " + what
	}
	d := s.declaration(e.name)
	if d == nil {
		if e.or != nil {
			if hash, err := e.or.apply(goroot, sources); err == nil {
				return hash, nil
			}
		}
		return "", fmt.Errorf("src/%s has no %s", s.file, what)
	}
	changes, err := e.place(d)
	if err != nil {
		return "", fmt.Errorf("src/%s: %s does not fit: %w", s.file, what, err)
	}
	s.changes = append(s.changes, changes...)
	return e.file + " " + strings.ReplaceAll(e.name, " ", "_") + " " + d.hash(), nil
}

// edited returns the text with all changes.
func (s *source) edited() string {
	slices.SortStableFunc(s.changes, func(a, b change) int { return a.from - b.from })
	var text strings.Builder
	at := 0
	for _, c := range s.changes {
		text.WriteString(s.text[at:c.from])
		text.WriteString(c.text)
		at = c.to
	}
	text.WriteString(s.text[at:])
	return text.String()
}
