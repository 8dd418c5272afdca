package overlay

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = `package sample

type state struct {
	n int // how many
}

// move has a comment with call(0) in it.
func (s *state) move(to, by int) {
	if by > 0 {
		call(by); s.n++
	}
	switch to {
	case 1:
		other.call(to)
	}
	go func() { call(3) }()
}
`

// edited returns the sample after an edit.
func edited(t *testing.T, name string, p place) (string, error) {
	root := t.TempDir()
	file := filepath.Join(root, "src", "sample", "sample.go")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
	require.NoError(t, os.WriteFile(file, []byte(sample), 0o666))
	sources := make(map[string]*source)
	_, err := edit{file: "sample/sample.go", name: name, place: p}.apply(root, sources)
	return sources["sample/sample.go"].edited(), err
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name  string
		place place
		want  string
	}{
		{"type state", fields("m int"), "how many\nm int; }\n"},
		{"(*state).move", start("$r.m = $2"), "func (s *state) move(to, by int) { s.m = by;\n"},
		{"(*state).move", renamed("moved"), "func (s *state) moved(to, by int) {\n"},
		{"(*state).move", before("call", 1, "first()"), "\t\tfirst(); call(by); s.n++\n"},
		{"(*state).move", after("call", 1, "then($1)"), "\t\tcall(by); then(to); s.n++\n"},
		{"(*state).move", before("call", 2, "first()"), "\t\tfirst(); other.call(to)\n"},
		{"(*state).move", before("call", -1, "first()"), "\tgo func() { first(); call(3) }()\n"},
		{"(*state).move", calls("call", 3, "callee", "$r"), "\t\tother.callee(s, to)\n"},
	} {
		text, err := edited(t, c.name, c.place)
		require.NoError(t, err)
		assert.Contains(t, text, c.want)
	}
}

func TestPlacesThatAreNotThere(t *testing.T) {
	for _, c := range []struct {
		name  string
		place place
		want  string
	}{
		{"(*state).stay", start(""), "src/sample/sample.go has no function (*state).stay"},
		{"type stage", fields(""), "src/sample/sample.go has no type stage"},
		{"(*state).move", fields(""), "src/sample/sample.go: function (*state).move does not fit: it is not a struct"},
		{"(*state).move", start("$3"), "src/sample/sample.go: function (*state).move does not fit: it has no parameter $3 with a name"},
		{"(*state).move", before("call", 4, ""), "src/sample/sample.go: function (*state).move does not fit: it has 3 calls of call, but number 4 is needed"},
		{"(*state).move", calls("call", 2, ""), "src/sample/sample.go: function (*state).move does not fit: it has 3 calls of call, not 2"},
	} {
		_, err := edited(t, c.name, c.place)
		assert.EqualError(t, err, c.want)
	}
}
