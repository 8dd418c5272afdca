package simtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// A chaosRun is the Chaos of one simulation: the plan and, at the end, the outcome.
type chaosRun struct {
	chaos Chaos         // may be zero
	given chaosSchedule // replaces the drawn faults, if it is not nil
	quiet time.Duration // the time at which faults end; 0 means that of Chaos or of the given schedule

	tell func(quiet time.Duration, faults ...scheduledFault) // called with faults as they begin, if it is not nil

	mu  sync.Mutex // guards the fields below; held only briefly
	out chaosOutcome
}

// A chaosOutcome is the outcome of a Chaos. A simulation that is given the schedule and
// the quiet time of an outcome has the same events.
type chaosOutcome struct {
	schedule chaosSchedule // the faults that were carried out
	quiet    time.Duration // the time at which faults ended
	skipped  chaosSchedule // given faults that did not happen because a host did not exist
}

// outcome returns what has happened so far: nothing if there is no Chaos (nil).
func (r *chaosRun) outcome() chaosOutcome {
	if r == nil {
		return chaosOutcome{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return chaosOutcome{slices.Clone(r.out.schedule), r.out.quiet, slices.Clone(r.out.skipped)}
}

// newChaosRun returns the run of a Chaos, or nil for the zero Chaos.
func newChaosRun(c *Chaos) *chaosRun {
	if c.isZero() {
		return nil
	}
	run := &chaosRun{chaos: *c}
	if c.Schedule != "" {
		run.given, _ = parseSchedule(c.Schedule) // it is valid
	}
	return run
}

// A chaosState is the state of a simulation's Chaos. Only the loop uses it, with mu
// held.
type chaosState struct {
	run     *chaosRun
	chaos   Chaos // with defaults filled in
	given   chaosSchedule
	number  int            // of the next fault
	began   int            // number of faults with a duration that have begun
	due     []chaosStep    // steps at this instant
	active  []*activeFault // in the order of their beginnings
	cuts    []*chaosCut    // of partitions
	names   map[string]int // number of faults on each name that does not resolve
	quiet   chan struct{}  // closed when all faults are over
	quietAt time.Duration
	isQuiet bool
}

// An activeFault is a fault that has begun and not ended.
type activeFault struct {
	scheduledFault
	cuts []*chaosCut
}

// A chaosStep is the beginning or the end of a fault, or the beginning of the quiet
// period.
type chaosStep struct {
	phase  chaosPhase
	number int // of the fault, by order of beginning
	do     func()
}

// A chaosPhase orders the steps of one instant.
type chaosPhase uint8

const (
	faultsEnd chaosPhase = iota
	faultsBegin
	quietBegins
)

// Quiet returns a channel that is closed when the faults of [Config.Chaos] are over:
// everything is healed, and hosts that were down are restarted. From then on a correct
// program recovers. Without Chaos the channel is closed from the start. It is also
// closed when the simulation ends.
func (s *Sim) Quiet() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chaos != nil && !s.isOver() {
		return s.chaos.quiet
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}

// startChaos schedules the first fault and the quiet period. It is called before the
// loop is started.
func (s *Sim) startChaos(run *chaosRun) {
	c := &chaosState{
		run:     run,
		chaos:   run.chaos.orDefault(),
		given:   run.given.sorted(),
		names:   make(map[string]int),
		quiet:   make(chan struct{}),
		quietAt: run.quiet,
	}
	s.chaos = c
	if c.quietAt == 0 {
		c.quietAt = c.chaos.Duration
	}
	c.quietAt = c.given.quiet(c.quietAt)
	run.note(func(out *chaosOutcome) { *out = chaosOutcome{quiet: c.quietAt} })
	run.tellOf(c.quietAt)
	if limit := c.chaos.limit(c.quietAt); limit != 0 && (s.limit == 0 || limit < s.limit) {
		s.limit, s.limitIs = limit, "Chaos.Quiet is over, and the simulation has not ended"
	}
	s.expectChaos()
	s.stepAtLocked(c.quietAt, quietBegins, 0, s.beginQuietLocked)
	if at, ok := c.nextTime(s.seed); ok {
		s.stepAtLocked(at, faultsBegin, 0, s.beginFaultsLocked)
	}
}

// expectChaos records the hosts that must exist when the simulation's function has
// ended.
func (s *Sim) expectChaos() {
	c := s.chaos
	if c.run.given == nil {
		for _, name := range c.chaos.Hosts {
			s.expected[namedHost{call: "Chaos.Hosts", name: name}] = struct{}{}
		}
		return
	}
	told := make(map[string]bool)
	for i := range c.given {
		for _, name := range slices.Concat(c.given[i].sides...) {
			if !told[name] {
				told[name] = true
				s.expected[namedHost{call: fmt.Sprintf("the schedule's %q", c.given[i].String()), name: name}] = struct{}{}
			}
		}
	}
}

// stepAtLocked schedules a step, after everything else at its instant, other faults
// included. It draws nothing, so adding or removing a step does not change the order of
// other events.
func (s *Sim) stepAtLocked(at time.Duration, phase chaosPhase, number int, do func()) {
	s.queue.push(at, 0, &event{what: stepping, do: func() {
		s.chaos.due = append(s.chaos.due, chaosStep{phase, number, do})
	}})
}

// isDue reports whether there are steps at this instant.
func (c *chaosState) isDue() bool { return c != nil && len(c.due) > 0 }

// stepChaosLocked performs all steps that are due, in an order that does not depend on
// faults that were drawn but did not happen.
func (s *Sim) stepChaosLocked() {
	due := s.chaos.due
	s.chaos.due = nil
	slices.SortFunc(due, func(a, b chaosStep) int {
		return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.number, b.number))
	})
	for _, step := range due {
		step.do()
	}
}

// beginFaultsLocked begins the faults that are due, and schedules the next one.
func (s *Sim) beginFaultsLocked() {
	c := s.chaos
	for {
		at, ok := c.nextTime(s.seed)
		if !ok {
			return
		}
		if at > s.instant {
			s.stepAtLocked(at, faultsBegin, 0, s.beginFaultsLocked)
			return
		}
		if f, ok := s.nextFaultLocked(at); ok {
			s.beginFaultLocked(f)
		}
		c.number++
	}
}

// nextTime returns the time at which the next fault is due.
func (c *chaosState) nextTime(seed uint64) (at time.Duration, ok bool) {
	switch {
	case c.run.given == nil:
		return c.chaos.timeOf(seed, c.number)
	case c.number < len(c.given):
		return c.given[c.number].at, true
	}
	return 0, false
}

// nextFaultLocked returns the fault that is due. ok is false if it does not happen.
func (s *Sim) nextFaultLocked(at time.Duration) (f scheduledFault, ok bool) {
	c := s.chaos
	switch {
	case !s.startsLocked():
		return f, false
	case c.run.given == nil && len(c.active) >= c.chaos.AtOnce:
		return f, false
	case c.run.given == nil:
		return c.chaos.draw(s.seed, c.number, at, s.targetsLocked())
	}
	f = c.given[c.number]
	if slices.ContainsFunc(slices.Concat(f.sides...), func(name string) bool { return s.hosts[name] == nil }) {
		c.run.note(func(out *chaosOutcome) { out.skipped = append(out.skipped, f) })
		return f, false
	}
	return f, true
}

// targetsLocked returns the names of the hosts that a fault may affect now, sorted.
func (s *Sim) targetsLocked() (names []string) {
	if hosts := s.chaos.chaos.Hosts; len(hosts) > 0 {
		names = slices.DeleteFunc(slices.Sorted(slices.Values(hosts)), func(name string) bool { return s.hosts[name] == nil })
		return slices.Compact(names)
	}
	return slices.Sorted(maps.Keys(s.hosts))
}

// beginFaultLocked begins a fault, and schedules its end.
func (s *Sim) beginFaultLocked(f scheduledFault) {
	c := s.chaos
	c.run.note(func(out *chaosOutcome) { out.schedule = append(out.schedule, f) })
	c.run.tellOf(c.quietAt, f)
	active := &activeFault{scheduledFault: f}
	s.changeLocked(func() { s.beginHostFaultLocked(active) })
	if f.lasts == 0 {
		return
	}
	c.began++
	c.active = append(c.active, active)
	s.stepAtLocked(f.end(), faultsEnd, c.began, func() {
		c.active = slices.DeleteFunc(c.active, func(other *activeFault) bool { return other == active })
		s.changeLocked(func() { s.endFaultLocked(active) })
	})
}

// changeLocked performs an operation on the network itself, as a control does.
func (s *Sim) changeLocked(do func()) {
	s.allUrgentLocked()
	s.faults++
	do()
	s.faults++
}

// beginQuietLocked signals the beginning of the quiet period, after everything that the
// ends of the last faults caused at this instant.
func (s *Sim) beginQuietLocked() {
	s.chaos.isQuiet = true
	s.released = append(s.released, s.chaos.quiet)
}

// leaveQuietLocked returns the channel to close at the end of the simulation, if it is
// still open.
func (s *Sim) leaveQuietLocked() []chan struct{} {
	if s.chaos == nil || s.chaos.isQuiet {
		return nil
	}
	s.chaos.isQuiet = true
	return []chan struct{}{s.chaos.quiet}
}

// note changes the outcome.
func (r *chaosRun) note(change func(out *chaosOutcome)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.out)
}

// tellOf reports faults that begin, if that was requested.
func (r *chaosRun) tellOf(quiet time.Duration, faults ...scheduledFault) {
	if r.tell != nil {
		r.tell(quiet, faults...)
	}
}
