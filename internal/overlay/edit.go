package overlay

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// An edit inserts text at one or several places of a declaration in a file of
// the standard library, or replaces names in it.
type edit struct {
	file  string // below GOROOT/src, with slashes
	name  string // "ready", "(*Mutex).Lock", or "type g"
	place place
	or    *edit // used instead if the file has no such declaration, in other versions of Go
}

// A place returns the changes that an edit makes to a declaration.
type place func(d *declaration) ([]change, error)

// A declaration is the declaration of a function or of a type.
type declaration struct {
	*source
	node ast.Node
	fn   *ast.FuncDecl   // nil for a type
	of   *ast.StructType // nil for a function
}

// A change replaces the bytes from one offset to another.
type change struct {
	from, to int
	text     string
}

// start inserts text at the beginning of a function's body. In all texts, $r is
// the name of the receiver, and $1 is the name of the first parameter.
func start(text string) place {
	return func(d *declaration) ([]change, error) {
		if d.fn == nil || d.fn.Body == nil {
			return nil, fmt.Errorf("it has no body")
		}
		at := d.offset(d.fn.Body.Lbrace) + 1
		text, err := d.expand(text)
		return []change{{at, at, " " + text + ";"}}, err
	}
}

// fields adds fields at the end of a struct.
func fields(text string) place {
	return func(d *declaration) ([]change, error) {
		if d.of == nil {
			return nil, fmt.Errorf("it is not a struct")
		}
		at := d.offset(d.of.Fields.Closing)
		return []change{{at, at, text + "; "}}, nil
	}
}

// renamed renames a function, so that a file that the overlay adds can define
// one with the old name.
func renamed(name string) place {
	return func(d *declaration) ([]change, error) {
		if d.fn == nil {
			return nil, fmt.Errorf("it is not a function")
		}
		at := d.offset(d.fn.Name.Pos())
		return []change{{at, at + len(d.fn.Name.Name), name}}, nil
	}
}

// before inserts text before the statement that contains a function's n-th call
// of the given name (from 1, or -1 for the last one).
func before(call string, n int, text string) place {
	return func(d *declaration) ([]change, error) {
		stmt, err := d.statement(call, n)
		if err != nil {
			return nil, err
		}
		at := d.offset(stmt.Pos())
		text, err := d.expand(text)
		return []change{{at, at, text + "; "}}, err
	}
}

// after inserts text after the statement that contains a call.
func after(call string, n int, text string) place {
	return func(d *declaration) ([]change, error) {
		stmt, err := d.statement(call, n)
		if err != nil {
			return nil, err
		}
		at := d.offset(stmt.End())
		text, err := d.expand(text)
		return []change{{at, at, "; " + text}}, err
	}
}

// calls replaces the name of a called function in all of its calls, and inserts
// arguments before the call's own. There must be exactly count calls.
func calls(call string, count int, name string, arguments ...string) place {
	return func(d *declaration) ([]change, error) {
		found := d.calls(call)
		if len(found) != count {
			return nil, fmt.Errorf("it has %d calls of %s, not %d", len(found), call, count)
		}
		var changes []change
		for _, c := range found {
			fun := callee(c)
			text := name + "("
			for i, argument := range arguments {
				argument, err := d.expand(argument)
				if err != nil {
					return nil, err
				}
				text += argument
				if i < len(arguments)-1 || len(c.Args) > 0 {
					text += ", "
				}
			}
			changes = append(changes, change{d.offset(fun.Pos()), d.offset(c.Lparen) + 1, text})
		}
		return changes, nil
	}
}

// calls returns the calls of a function or method with the given name, in the
// order of the text.
func (d *declaration) calls(name string) (found []*ast.CallExpr) {
	ast.Inspect(d.node, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if fun := callee(c); fun != nil && fun.Name == name {
				found = append(found, c)
			}
		}
		return true
	})
	return found
}

// callee returns the name of the called function, or nil.
func callee(c *ast.CallExpr) *ast.Ident {
	switch fun := c.Fun.(type) {
	case *ast.Ident:
		return fun
	case *ast.SelectorExpr:
		return fun.Sel
	}
	return nil
}

// statement returns the innermost statement of a statement list that contains the call.
func (d *declaration) statement(call string, n int) (stmt ast.Stmt, err error) {
	found := d.calls(call)
	at := n - 1
	if n < 0 {
		at = len(found) + n
	}
	if at < 0 || at >= len(found) {
		return nil, fmt.Errorf("it has %d calls of %s, but number %d is needed", len(found), call, n)
	}
	pos := found[at].Pos()
	look := func(list []ast.Stmt) {
		for _, s := range list {
			if s.Pos() <= pos && pos < s.End() {
				stmt = s // the inner ones come later
			}
		}
	}
	ast.Inspect(d.node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			look(n.List)
		case *ast.CaseClause:
			look(n.Body)
		case *ast.CommClause:
			look(n.Body)
		}
		return true
	})
	if stmt == nil {
		return nil, fmt.Errorf("its call of %s is not in a statement", call)
	}
	return stmt, nil
}

// expand inserts the names of the receiver and the parameters into a text.
func (d *declaration) expand(text string) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	names := map[string]string{}
	if d.fn.Recv != nil {
		for _, f := range d.fn.Recv.List {
			for _, n := range f.Names {
				names["$r"] = n.Name
			}
		}
	}
	i := 0
	for _, f := range d.fn.Type.Params.List {
		for _, n := range f.Names {
			i++
			names["$"+strconv.Itoa(i)] = n.Name
		}
	}
	var missing string
	text = variable.ReplaceAllStringFunc(text, func(v string) string {
		if names[v] == "" || names[v] == "_" {
			missing = v
		}
		return names[v]
	})
	if missing != "" {
		return "", fmt.Errorf("it has no parameter %s with a name", missing)
	}
	return text, nil
}

// offset returns the offset of a position in the file.
func (s *source) offset(pos token.Pos) int { return s.set.Position(pos).Offset }
