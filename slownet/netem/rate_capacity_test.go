package netem_test

import (
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
)

// The fraction of a nanosecond that is carried over is dropped when the link
// becomes idle, and when it changes.
func TestFlowCarriesNothingOver(t *testing.T) {
	link := netem.Link{Rate: 3} // a byte takes 2.666... s
	const one time.Duration = 2666666666
	flow := netem.NewFlow(link, 0)
	assert.Equal(t, one, flow.Send(0, 1).Leave)
	assert.Equal(t, 10*time.Second+one, flow.Send(10*time.Second, 1).Leave, "after it was idle")
	flow.SetLink(link)
	assert.Equal(t, 10*time.Second+2*one, flow.Send(10*time.Second, 1).Leave, "after it was changed")
}
