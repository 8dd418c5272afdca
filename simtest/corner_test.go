package simtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet"
)

// A writer who waits for room in a link's queue goes on when the link gets
// another queue that has room.
func TestQueueThatGrows(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, _ := connected(t, sim)
		sim.SetLink("a", "b", slownet.Link{Rate: 8 * slownet.Kbps, Queue: 1000})
		sim.At(500*ms, func() { sim.SetLink("a", "b", slownet.Link{}) })
		n, err := conn.Write(make([]byte, 10000))
		assert.NoError(t, err)
		assert.Equal(t, 10000, n)
		assert.Equal(t, 500*ms, sim.Elapsed())
	})
}
