package tier

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCount(t *testing.T) {
	t.Setenv("SIMTEST_LONG", "")
	assert.Equal(t, 3, Count(3, 1000))
	t.Setenv("SIMTEST_LONG", "1")
	if !race {
		assert.Equal(t, 1000, Count(3, 1000))
		assert.Equal(t, uint64(20), Count[uint64](3, 20))
		return
	}
	assert.Equal(t, 100, Count(3, 1000))
	assert.Equal(t, uint64(3), Count[uint64](3, 20))
}
