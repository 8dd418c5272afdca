package enumerate

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWords(t *testing.T) {
	assert.Empty(t, Words(nil, "and"))
	assert.Equal(t, "a", Words([]string{"a"}, "and"))
	assert.Equal(t, "a or b", Words([]string{"a", "b"}, "or"))
	assert.Equal(t, "a, b and c", Words([]string{"a", "b", "c"}, "and"))
}
