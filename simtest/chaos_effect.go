package simtest

import (
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The faults of a Chaos are counted, and applied on top of the test's own settings: an
// effect that two faults share lasts until both have ended, and no setting of the test
// is undone.

// A chaosCut is one direction of a partition.
type chaosCut struct{ from, to *hostSet }

// cutsOff reports whether a Chaos has cut one host off from another.
func (c *chaosState) cutsOff(from, to *Host) bool {
	return c != nil && slices.ContainsFunc(c.cuts, func(cut *chaosCut) bool { return cut.from.has(from) && cut.to.has(to) })
}

// A hostChaos is the effect of a Chaos on a host.
type hostChaos struct {
	ended  int           // number of faults that keep the host down
	down   bool          // a fault took the host down, and it has not been restarted
	pauses int           // number of faults that keep the host paused
	paused bool          // a fault paused the host, and it has not been resumed
	skew   time.Duration // added to the host's own skew
}

// chaosLocked returns the effect of a Chaos on the host.
func (h *Host) chaosLocked() *hostChaos {
	if h.chaos == nil {
		h.chaos = &hostChaos{}
	}
	return h.chaos
}

// A routeChaos is the effect of a Chaos on a route.
type routeChaos struct {
	link    netem.Link     // the link without the changes
	changes []*activeFault // faults that change the link
	holds   int            // number of faults that hold packets
}

// change returns a link with all changes applied.
func (c *routeChaos) change(link netem.Link) netem.Link {
	for _, f := range c.changes {
		link.Latency = timeline.Add(link.Latency, f.amount)
		link.Loss = moreLoss(link.Loss, f.percent/100)
	}
	return link
}

// moreLoss returns a loss model with the given additional loss. A Markov model cannot
// express that, so the additional loss replaces it.
func moreLoss(loss netem.Loss, more float64) netem.Loss {
	either := func(p float64) float64 { return 1 - float64((1-p)*(1-more)) } // no fused multiply-add, so the result is the same on every platform
	switch {
	case more == 0:
	case loss.GilbertElliott != netem.GilbertElliott{}:
		loss.GilbertElliott.LossBad = either(loss.GilbertElliott.LossBad)
		loss.GilbertElliott.LossGood = either(loss.GilbertElliott.LossGood)
	case loss.Markov != netem.Markov{}:
		loss = netem.Loss{Random: more}
	default:
		loss.Random = either(loss.Random)
	}
	return loss
}

// directions returns the pairs of sides that the fault affects, by their numbers.
func (f *scheduledFault) directions() (pairs [][2]int) {
	if f.oneWay {
		return [][2]int{{0, 1}}
	}
	for i := range f.sides {
		for j := range f.sides {
			if i != j {
				pairs = append(pairs, [2]int{i, j})
			}
		}
	}
	return pairs
}

// eachWay calls a function for each direction between two hosts.
func (f *scheduledFault) eachWay(do func(from, to string)) {
	for _, pair := range f.directions() {
		for _, from := range f.sides[pair[0]] {
			for _, to := range f.sides[pair[1]] {
				do(from, to)
			}
		}
	}
}

// told returns the hosts as a trace names them: all sides, or one source and one
// destination.
func (f *scheduledFault) told() (from, to string) {
	if f.oneWay {
		return describeSides(f.sides[:1]), describeSides(f.sides[1:])
	}
	return describeSides(f.sides), ""
}

// beginHostFaultLocked begins a fault of hosts or of routes.
func (s *Sim) beginHostFaultLocked(f *activeFault) {
	switch f.kind {
	case partitionFault:
		s.beginPartitionLocked(f)
	case slowFault, lossyFault:
		s.recordFaultLocked(f, fmt.Sprintf("%v by %s", f.kind, f.measure()))
		f.eachWay(func(from, to string) {
			s.changeLinkLocked(from, to, func(c *routeChaos) { c.changes = append(c.changes, f) })
		})
	case holdFault:
		s.beginHoldLocked(f)
	case resetFault:
		s.recordFaultLocked(f, "reset")
		f.eachWay(func(a, b string) {
			if a < b {
				s.resetLocked(a, b)
			}
		})
	case nameFault:
		for _, name := range f.sides[0] {
			s.chaos.names[plainName(name)]++
			s.faultLocked("name fails", "", name)
		}
	default:
		for _, h := range s.hostsLocked(f.sides[0]) {
			h.beginFaultLocked(f)
		}
	}
}

// endFaultLocked ends a fault.
func (s *Sim) endFaultLocked(f *activeFault) {
	switch f.kind {
	case partitionFault:
		s.endPartitionLocked(f)
	case slowFault, lossyFault:
		s.recordFaultLocked(f, fmt.Sprintf("no longer %v by %s", f.kind, f.measure()))
		f.eachWay(func(from, to string) {
			s.changeLinkLocked(from, to, func(c *routeChaos) {
				c.changes = slices.DeleteFunc(c.changes, func(other *activeFault) bool { return other == f })
			})
		})
	case holdFault:
		s.endHoldLocked(f)
	case nameFault:
		for _, name := range f.sides[0] {
			if s.chaos.names[plainName(name)]--; s.chaos.names[plainName(name)] == 0 {
				delete(s.chaos.names, plainName(name))
				s.faultLocked("name", "", name)
			}
		}
	default:
		for _, h := range s.hostsLocked(f.sides[0]) {
			h.endFaultLocked(f)
		}
	}
}

// recordFaultLocked records a fault between hosts.
func (s *Sim) recordFaultLocked(f *activeFault, what string) {
	from, to := f.told()
	s.faultLocked(what, from, to)
}

func (s *Sim) beginPartitionLocked(f *activeFault) {
	for _, pair := range f.directions() {
		f.cuts = append(f.cuts, &chaosCut{setOf(s.hostsLocked(f.sides[pair[0]])), setOf(s.hostsLocked(f.sides[pair[1]]))})
	}
	s.disturbLocked(s.hostsLocked(slices.Concat(f.sides...)), func() {
		s.chaos.cuts = append(s.chaos.cuts, f.cuts...)
		s.cutRoutesLocked()
	})
	s.recordFaultLocked(f, "partition")
}

func (s *Sim) endPartitionLocked(f *activeFault) {
	s.chaos.cuts = slices.DeleteFunc(s.chaos.cuts, func(cut *chaosCut) bool { return slices.Contains(f.cuts, cut) })
	s.cutRoutesLocked()
	s.recordFaultLocked(f, "heal")
	s.openedLocked()
}

// changeLinkLocked changes the effect of a Chaos on the link from one host to another.
func (s *Sim) changeLinkLocked(from, to string, change func(c *routeChaos)) {
	r := s.routeLocked(from, to)
	s.disturbNamedLocked([]string{from}, func() {
		if r.chaos == nil {
			r.chaos = &routeChaos{}
		}
		if len(r.chaos.changes) == 0 {
			r.chaos.link = r.link
		}
		change(r.chaos)
		r.setLinkLocked(r.chaos.link)
	})
	s.hosts[from].queueChangedLocked(r)
}

func (s *Sim) beginHoldLocked(f *activeFault) {
	s.disturbLocked(s.hostsLocked(slices.Concat(f.sides...)), func() {
		f.eachWay(func(from, to string) {
			r := s.routeLocked(from, to)
			if r.chaos == nil {
				r.chaos = &routeChaos{}
			}
			r.chaos.holds++
			r.beginHold()
		})
	})
	s.recordFaultLocked(f, "hold")
}

func (s *Sim) endHoldLocked(f *activeFault) {
	s.recordFaultLocked(f, "release")
	f.eachWay(func(from, to string) {
		r := s.routeLocked(from, to)
		r.chaos.holds--
		s.releaseLocked(r)
	})
}

// beginFaultLocked begins a fault of the host.
func (h *Host) beginFaultLocked(f *activeFault) {
	c := h.chaosLocked()
	switch f.kind {
	case killFault, crashFault:
		c.ended++
		wasDown := h.hasEndedLocked()
		if f.kind == killFault {
			h.killLocked()
		} else {
			h.crashLocked()
		}
		c.down = c.down || !wasDown
	case pauseFault:
		c.pauses++
		if !h.down && !h.paused {
			h.pauseLocked()
			c.paused = true
		}
	case restartFault:
		if !h.hasEndedLocked() {
			h.restartLocked()
		}
	case skewFault:
		h.skewLocked(f.amount)
	}
}

// endFaultLocked ends a fault of the host.
func (h *Host) endFaultLocked(f *activeFault) {
	c := h.chaosLocked()
	switch f.kind {
	case killFault, crashFault:
		if c.ended--; c.ended == 0 && c.down {
			h.restartLocked()
		}
	case pauseFault:
		if c.pauses--; c.pauses == 0 && c.paused {
			h.hostEventLocked("resume")
			h.resumeLocked()
		}
	case skewFault:
		h.skewLocked(-f.amount)
	}
}

func (h *Host) skewLocked(more time.Duration) {
	h.chaosLocked().skew += more
	h.hostEventLocked("skew " + h.skewedLocked().String())
}

// skewedLocked returns the skew of the host's clock, including the skew that a Chaos
// adds.
func (h *Host) skewedLocked() time.Duration {
	if h.chaos == nil {
		return h.skew
	}
	return h.skew + h.chaos.skew
}

// nameErrorLocked returns the error of a lookup that a Chaos makes fail, or nil.
func (c *chaosState) nameErrorLocked(name string) error {
	if c == nil || c.names[plainName(name)] == 0 {
		return nil
	}
	return &net.DNSError{Err: "server misbehaving", IsTemporary: true}
}
