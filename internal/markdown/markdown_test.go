package markdown

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const sample = "# A `page`: *one*\n\nSee [two](b.md#two) and ![three](c.png), 10.5 s, 1,000.\n" +
	"`[no](link)` <a href=\"d.md\">d</a>\n<!-- show: a.go F -->\n```go\n# no heading\n[no](x)\n```\n" +
	"## Twice\n[r]: e.md\n## Twice\n### 遅い詩、1\n"

func TestParse(t *testing.T) {
	page := Parse(sample)
	assert.Equal(t, map[string]bool{"a-page-one": true, "twice": true, "twice-1": true, "遅い詩1": true}, page.Anchors())
	assert.Equal(t, []Block{{Info: "go", Content: "# no heading\n[no](x)\n", Directive: "show: a.go F"}}, page.Blocks())
	assert.Equal(t, []string{"b.md#two", "c.png", "d.md"}, page.Sections[1].Links())
	assert.Equal(t, []string{"10.5", "1,000"}, page.Sections[1].Numbers())
	assert.Equal(t, []string{"e.md"}, page.Sections[2].Links())
	assert.Equal(t, 3, page.Sections[4].Level)
	assert.Equal(t, []string{"1"}, page.Sections[4].Numbers())
}

func TestDeclaration(t *testing.T) {
	const source = "package p\n\n// T is a type.\ntype T struct{}\n\n// M does.\nfunc (t *T) M() {\n\tx()\n}\n\n// F is a function.\nfunc F() {}\n\nvar v = 1\n"
	for name, want := range map[string]string{
		"T":   "// T is a type.\ntype T struct{}\n",
		"T.M": "// M does.\nfunc (t *T) M() {\n\tx()\n}\n",
		"F":   "// F is a function.\nfunc F() {}\n",
		"v":   "var v = 1\n",
	} {
		got, err := declaration([]byte(source), name)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := declaration([]byte(source), "G")
	assert.EqualError(t, err, "no declaration of G")
}
