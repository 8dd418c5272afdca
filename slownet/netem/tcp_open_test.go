package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An acknowledgement of the SYN-ACK of an end that has given up does not belong
// to the handshake of the next end, which sends its own SYN-ACK later.
func TestStaleConfirmation(t *testing.T) {
	syn := netem.Segment{Flags: netem.SYN}
	end := netem.Accept(netem.TCP{}, time.Minute, &syn)
	confirms := func(echoed time.Duration) *netem.Segment {
		return &netem.Segment{Flags: netem.ACK, TSEcr: echoed}
	}
	assert.True(t, end.IsStale(confirms(time.Minute-1)))
	assert.False(t, end.IsStale(confirms(time.Minute)))
	assert.False(t, end.IsStale(&syn), "it is sent again")
	assert.False(t, end.IsStale(&netem.Segment{Flags: netem.RST | netem.ACK}), "a reset echoes nothing")

	end.Input(2*time.Minute, confirms(time.Minute))
	assert.Equal(t, netem.Established, end.State())
	assert.False(t, end.IsStale(confirms(0)), "the handshake is over")
}
