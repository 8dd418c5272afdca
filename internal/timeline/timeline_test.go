package timeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTimesDoNotWrapAround(t *testing.T) {
	assert.Equal(t, 3*time.Second, Add(time.Second, 2*time.Second))
	assert.Equal(t, -time.Second, Add(time.Second, -2*time.Second))
	assert.Equal(t, End, Add(End-1, time.Second))
	assert.Equal(t, -End, Add(-End, -time.Second))
}
