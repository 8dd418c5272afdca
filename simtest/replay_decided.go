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

// SearchDecisions are decisions as a worker tells them.
type searchDecisions struct {
	Ties  []time.Duration `json:"ties,omitempty"`
	Draws []string        `json:"draws,omitempty"`
	More  bool            `json:"more,omitempty"`
}

// forSearch returns what a worker tells; of nil, nil.
func (d *decisions) forSearch() *searchDecisions {
	if d == nil {
		return nil
	}
	told := &searchDecisions{Ties: d.ties, More: d.more}
	for _, draw := range d.draws {
		told.Draws = append(told.Draws, draw.String())
	}
	return told
}

// decisions returns what a worker has told; of nil it is not ok.
func (d *searchDecisions) decisions() (told *decisions, ok bool) {
	if d == nil {
		return nil, false
	}
	p := &replayParser{seen: make(map[string]int)}
	for _, draw := range d.Draws {
		if err := p.readDraw(draw); err != nil {
			return nil, false
		}
	}
	return &decisions{ties: d.Ties, draws: p.draws, more: d.More}, true
}
