package simtest

import (
	"fmt"
	"strings"
	"testing"
)

// CheckDeterminism runs a simulation twice, and fails the test if the two runs
// differ: by the first event that does, with the one before it, which they have
// in common. What makes runs differ is named in the package's documentation,
// with what to do about it. The second run is not made if the first has failed.
func CheckDeterminism(t *testing.T, config Config, f func(t *testing.T, sim *Sim)) {
	t.Helper()
	var first, second recording
	config.record = first.record
	if config.run(t, f) {
		return
	}
	second.other = &first
	config.record = second.record
	if config.run(t, f) {
		return // it has told why, and the seed
	}
	if report := second.compare(); report != "" {
		seed, _ := seedFromEnvironment(config.Seed) // that is no error: the seed was used
		t.Errorf("%s\n%s", report, rerunText(t, seed))
	}
}

// maxRecorded is how many events of the first run are kept, so that they can be
// shown. Of all others only the digests are.
const maxRecorded = 1 << 20

// A recording is the events of one run.
type recording struct {
	digests []uint64 // after each event
	events  []Event  // the first of them
	last    Event

	// Of the second run:
	other  *recording // the first run's
	common Event      // the last one that both runs have
	differ *Event     // the first one that they do not
}

func (r *recording) record(e Event, digest uint64) {
	i := len(r.digests)
	r.digests = append(r.digests, digest)
	if r.other == nil {
		if i < maxRecorded {
			r.events = append(r.events, e)
		}
		return
	}
	if r.differ == nil && (i >= len(r.other.digests) || r.other.digests[i] != digest) {
		r.common, r.differ = r.last, &e
	}
	r.last = e
}

// compare returns how the second run differs from the first, or nothing.
func (r *recording) compare() string {
	first := r.other
	at := len(r.digests)
	if r.differ == nil {
		if at == len(first.digests) {
			return ""
		}
		r.common = r.last
	} else {
		for at = range r.digests {
			if at == len(first.digests) || r.digests[at] != first.digests[at] {
				break
			}
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "simtest: two runs with one seed differ, from event %d on\n", at+1)
	if at > 0 {
		fmt.Fprintf(&text, "  last in common: %v\n", r.common)
	}
	fmt.Fprintf(&text, "  first run:      %v\n", first.event(at))
	if r.differ != nil {
		fmt.Fprintf(&text, "  second run:     %v\n", *r.differ)
	} else {
		fmt.Fprintf(&text, "  second run:     ended\n")
	}
	text.WriteString("Something on these hosts depends on chance: goroutines that race at one instant, a map's order, an unseeded random number, a select with several ready cases.")
	return text.String()
}

// event describes one of the first run's.
func (r *recording) event(i int) string {
	switch {
	case i >= len(r.digests):
		return "ended"
	case i >= len(r.events):
		return fmt.Sprintf("not kept, for it comes after %d others", maxRecorded)
	}
	return r.events[i].String()
}
