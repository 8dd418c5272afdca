package simtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A chaosSchedule is a list of faults, by time.
type chaosSchedule []scheduledFault

// A scheduledFault is a fault and its times.
type scheduledFault struct {
	at      time.Duration // since the start
	kind    faultKind
	sides   [][]string    // the hosts; several sides for a fault between hosts
	oneWay  bool          // from the first side to the second
	amount  time.Duration // of additional latency, or of skew
	percent float64       // of packets that are lost
	lasts   time.Duration // duration; 0 for a fault without an end
}

// end returns the time at which the fault ends.
func (f *scheduledFault) end() time.Duration { return timeline.Add(f.at, f.lasts) }

// A faultKind is the kind of a scheduled fault.
type faultKind uint8

const (
	partitionFault faultKind = iota
	killFault
	crashFault
	pauseFault
	restartFault
	slowFault
	lossyFault
	resetFault
	holdFault
	skewFault
	nameFault
	faultKinds
)

// An amountKind is the kind of amount that a fault needs besides its hosts.
type amountKind uint8

const (
	noAmount   amountKind = iota
	ofLatency             // a duration, more than 0
	ofSkew                // a duration, not 0
	ofPercents            // more than 0, up to 100
)

// A faultForm is the syntax of a kind of fault.
type faultForm struct {
	word    string
	between bool // it has sides of hosts, rather than single hosts
	oneWay  bool // it can be in one direction
	lasts   bool // it has an end
	amount  amountKind
	example string
}

// faultForms are the forms of all kinds.
var faultForms = [faultKinds]faultForm{
	partitionFault: {"partition", true, true, true, noAmount, "fault 12.5s partition a,b | c for 3s"},
	killFault:      {"kill", false, false, true, noAmount, "fault 12.5s kill a for 3s"},
	crashFault:     {"crash", false, false, true, noAmount, "fault 12.5s crash a for 3s"},
	pauseFault:     {"pause", false, false, true, noAmount, "fault 12.5s pause a for 3s"},
	restartFault:   {"restart", false, false, false, noAmount, "fault 12.5s restart a"},
	slowFault:      {"slow", true, true, true, ofLatency, "fault 12.5s slow a | b by 200ms for 3s"},
	lossyFault:     {"lossy", true, true, true, ofPercents, "fault 12.5s lossy a > b by 10% for 3s"},
	resetFault:     {"reset", true, false, false, noAmount, "fault 12.5s reset a | b"},
	holdFault:      {"hold", true, true, true, noAmount, "fault 12.5s hold a | b for 3s"},
	skewFault:      {"skew", false, false, true, ofSkew, "fault 12.5s skew a by -200ms for 3s"},
	nameFault:      {"name", false, false, true, noAmount, "fault 12.5s name a for 3s"},
}

// String returns the word for the kind.
func (k faultKind) String() string { return faultForms[k].word }

// invalid returns an error if a part of the fault is missing, superfluous or out
// of range.
func (f *scheduledFault) invalid() error {
	form := &faultForms[f.kind]
	switch {
	case f.at < 0:
		return fmt.Errorf("the time is %v: it must be 0s or more", f.at)
	case form.between && len(f.sides) < 2:
		return fmt.Errorf("a %s is between hosts: name two sides, as in %q", form.word, form.example)
	case !form.between && len(f.sides) != 1:
		return fmt.Errorf("a %s has no sides: name its hosts with commas, as in %q", form.word, form.example)
	case f.oneWay && (!form.oneWay || len(f.sides) != 2):
		return fmt.Errorf("'>' is for one direction between two sides of a partition, slow, lossy or hold: write '|'")
	case form.lasts && f.lasts <= 0:
		return fmt.Errorf("a %s must last for more than 0s, as in %q", form.word, form.example)
	case !form.lasts && f.lasts != 0:
		return fmt.Errorf("a %s has no duration: write it without 'for', as in %q", form.word, form.example)
	}
	switch form.amount {
	case noAmount:
		if f.amount != 0 || f.percent != 0 {
			return fmt.Errorf("a %s has no amount: write it without 'by', as in %q", form.word, form.example)
		}
	case ofLatency:
		if f.amount <= 0 {
			return fmt.Errorf("a %s needs a latency of more than 0, as in %q", form.word, form.example)
		}
	case ofSkew:
		if f.amount == 0 {
			return fmt.Errorf("a %s needs a duration other than 0, as in %q", form.word, form.example)
		}
	case ofPercents:
		if !(f.percent > 0 && f.percent <= 100) {
			return fmt.Errorf("a %s needs a percentage of more than 0%% and up to 100%%, as in %q", form.word, form.example)
		}
	}
	named := make(map[string]bool)
	for _, side := range f.sides {
		if len(side) == 0 {
			return errors.New("a side has no hosts")
		}
		for _, name := range side {
			if err := checkHostName(name); err != nil {
				return fmt.Errorf("%q cannot be a host's name", name)
			}
			if named[name] {
				return fmt.Errorf("host %q is named twice", name)
			}
			named[name] = true
		}
	}
	return nil
}

// sorted returns the faults in the order of their beginnings.
func (s chaosSchedule) sorted() chaosSchedule {
	sorted := slices.Clone(s)
	slices.SortStableFunc(sorted, func(a, b scheduledFault) int { return cmp.Compare(a.at, b.at) })
	return sorted
}

// quiet returns the time at which the last fault ends, or the given time if that
// is later.
func (s chaosSchedule) quiet(from time.Duration) time.Duration {
	for i := range s {
		from = max(from, s[i].end())
	}
	return from
}
