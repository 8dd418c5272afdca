package simtest

import (
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A decisions holds the random decisions of a run, so that another run can override
// them. They are recorded only on request.
type decisions struct {
	ties  []time.Duration // the instants at which an order other than the natural one was drawn
	draws []drawOverride  // random impairments of packets, in order; as overrides that suppress them
	more  bool            // some were left out because there were too many
}

// maxDecisions is the maximum number of decisions of a kind that are recorded.
const maxDecisions = 10_000

// tie records an instant.
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

// draw records a random impairment of a packet.
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

// searchDecisions are decisions as a worker reports them.
type searchDecisions struct {
	Ties  []time.Duration `json:"ties,omitempty"`
	Draws []string        `json:"draws,omitempty"`
	More  bool            `json:"more,omitempty"`
}

// forSearch returns the decisions as a worker reports them; nil for nil.
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

// decisions parses the decisions that a worker has reported; ok is false if there
// are none or they are invalid.
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
