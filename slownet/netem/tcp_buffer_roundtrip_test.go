package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A shorter round trip replaces the receiver's estimate, and a longer one moves it an eighth
// of the way, but only if everything before it has been read. It is in whole milliseconds,
// at least one, and each timestamp counts once.
func TestRoundTripOfTheReceiver(t *testing.T) {
	const ms = time.Millisecond
	var b receiveBuffer
	b.init(0, 0)
	for i, step := range []struct {
		now, echo time.Duration
		isDrained bool
		want      time.Duration
	}{
		{5 * ms, 0, true, 0}, // no echo
		{100*ms + 900, 60*ms + 1, true, 40 * ms},
		{130 * ms, 60*ms + 999_999, true, 40 * ms}, // the same timestamp
		{180 * ms, 100 * ms, true, 45 * ms},
		{280 * ms, 120 * ms, false, 45 * ms}, // something has not been read
		{285 * ms, 155 * ms, true, 55*ms + 625_000},
		{290 * ms, 260 * ms, false, 30 * ms}, // shorter
		{291 * ms, 291 * ms, true, ms},       // at least a millisecond
	} {
		b.measure(step.now, step.echo, step.isDrained)
		assert.Equal(t, step.want, b.roundTrip, i)
	}
}
