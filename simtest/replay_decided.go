package simtest

import (
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Decisions are what chance has decided in a run, so that something else can be
// decided there in another one. They are noted only if somebody asks for them.
type decisions struct {
	ties  []time.Duration // the instants at which another order than the natural one was drawn
	draws []drawOverride  // what has befallen packets by chance, in order; as overrides by which it does not
	more  bool            // there were more, which were left out
}

// maxDecisions is how many decisions of a kind are noted.
const maxDecisions = 10_000

// tie notes an instant.
func (d *decisions) tie(at time.Duration) {
	if n := len(d.ties); n > 0 && d.ties[n-1] == at {
		return
	}
	if len(d.ties) >= maxDecisions {
		d.more = true
		return
	}
	d.ties = append(d.ties, at)
}

// draw notes what has befallen a packet.
func (d *decisions) draw(line lineName, draw netem.Draw) {
	if len(d.draws) >= maxDecisions {
		d.more = true
		return
	}
	d.draws = append(d.draws, drawOverride{line, draw, netem.NeverRolled})
}

// instants returns the instants, in order.
func (d *decisions) instants() []time.Duration {
	return slices.Compact(slices.Sorted(slices.Values(d.ties)))
}
