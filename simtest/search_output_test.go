package simtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The beginning and the end of a seed's output are kept, without output of other seeds.
// The file does not grow forever.
func TestSearchOutput(t *testing.T) {
	p := &searchProcess{}
	printer, err := p.openOutput()
	require.NoError(t, err)
	defer p.closeOutput()
	defer printer.Close()
	print := func(from, to int) {
		for i := from; i < to; i++ {
			fmt.Fprintf(printer, "line %d\n", i)
		}
	}
	print(0, 3)
	p.forget()
	assert.Empty(t, p.text())
	print(3, 5)
	assert.Equal(t, "line 3\nline 4\n", p.text())
	p.forget()
	print(100_000, 110_000)
	text := p.text()
	assert.LessOrEqual(t, len(text), maxSearchOutput+100)
	assert.True(t, strings.HasPrefix(text, "line 100000\n"))
	assert.True(t, strings.HasSuffix(text, "\nline 109999\n"))
	assert.Regexp(t, `(?m)^\.\.\. \d+ bytes are left out here \.\.\.$`, text)
	p.forget()
	fmt.Fprintf(printer, "short\n%s\n", strings.Repeat("y", 1<<20))
	assert.Equal(t, "short\n"+strings.Repeat("y", 32762)+"\n... 983047 bytes are left out here ...\n"+strings.Repeat("y", 32767)+"\n", p.text())
	p.forget()
	print(200_000, 300_000)
	p.forget()
	assert.Zero(t, p.size())
	print(7, 9)
	assert.Equal(t, "line 7\nline 8\n", p.text())
}
