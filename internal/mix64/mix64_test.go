package mix64

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLastWordOfAString(t *testing.T) {
	const text = "\x01\x82\x03\x84\x05\x86\x07"
	for n := range len(text) + 1 {
		want := uint64(n) << 56
		for i := range n {
			want |= uint64(text[i]) << (8 * i)
		}
		assert.Equal(t, want, lastWord(text[:n]), "%d bytes", n)
	}
}
