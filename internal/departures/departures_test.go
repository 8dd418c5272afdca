package departures_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/internal/departures"
)

func TestBytesTakeAsLongAsTheFirstOfThemTook(t *testing.T) {
	t.Parallel()
	var q departures.Queue
	q.Leave(1*time.Second, 10)
	q.Leave(3*time.Second, 5)
	q.Leave(4*time.Second, 5)
	assert.Equal(t, 4*time.Second, q.Arrive(5*time.Second, 4), "a part of a piece")
	assert.Equal(t, 5*time.Second, q.Arrive(6*time.Second, 11), "the rest of the piece, and a part of the next one")
	assert.Equal(t, 3*time.Second, q.Arrive(7*time.Second, 5), "a whole piece")
	assert.Zero(t, q.Arrive(8*time.Second, 1), "nothing is in flight")
	q.Leave(9*time.Second, 1)
	assert.Equal(t, time.Second, q.Arrive(10*time.Second, 100), "more than is known to be in flight")
	assert.Zero(t, q.Arrive(11*time.Second, 1))
}

func TestANilQueueKnowsNothing(t *testing.T) {
	t.Parallel()
	assert.Zero(t, (*departures.Queue)(nil).Arrive(time.Second, 1))
}
