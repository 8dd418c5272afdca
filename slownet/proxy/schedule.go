package proxy

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Schedule changes a proxy over time. The zero Schedule changes nothing.
type Schedule struct {
	// Steps are the changes, in order of time.
	Steps []Step

	// Repeat, if not zero, is the period after which the steps start again.
	Repeat time.Duration
}

// A Step is a change of a proxy at a point in time.
type Step struct {
	At      time.Duration // since the proxy was added, or the schedule was set or started again
	Enabled *bool         // starts or stops the proxy; nil leaves it unchanged
	Reset   bool          // resets all connections
	Set     []Toxic       // adds toxics, or replaces those with the same names
	Remove  []string      // removes toxics by name
}

func (s Schedule) validate() error {
	last := time.Duration(0)
	for i, step := range s.Steps {
		if step.At < last {
			return fmt.Errorf("schedule: step %d is at %v: steps must be in order of time, from 0 on", i+1, step.At)
		}
		last = step.At
		for _, t := range step.Set {
			if err := t.validate(); err != nil {
				return fmt.Errorf("schedule: step %d: %w", i+1, err)
			}
		}
	}
	switch {
	case s.Repeat < 0, s.Repeat > 0 && s.Repeat <= last:
		return fmt.Errorf("schedule: repeat is %v, but the last step is at %v: repeat must be later", s.Repeat, last)
	case s.Repeat > 0 && len(s.Steps) == 0:
		return errors.New("schedule: repeat is set, but there are no steps: give some")
	}
	return nil
}

// A runningSchedule is a schedule in progress.
type runningSchedule struct {
	stop chan struct{}
	done sync.WaitGroup
}

// setSchedule stops the running schedule, and starts another one.
func (p *Proxy) setSchedule(s Schedule) {
	p.mu.Lock()
	before := p.schedule
	p.schedule = nil
	if len(s.Steps) > 0 {
		t := &runningSchedule{stop: make(chan struct{})}
		p.schedule = t
		t.done.Go(func() { t.run(p, s) })
	}
	p.config.Schedule = s
	p.mu.Unlock()
	if before != nil {
		close(before.stop)
		before.done.Wait()
	}
}

// run applies the steps until it is stopped.
func (t *runningSchedule) run(p *Proxy, s Schedule) {
	for start := time.Now(); ; start = start.Add(s.Repeat) {
		for i, step := range s.Steps {
			timer := time.NewTimer(time.Until(start.Add(step.At)))
			select {
			case <-t.stop:
				timer.Stop()
				return
			case <-timer.C:
				if err := p.apply(step); err != nil {
					p.fail(fmt.Errorf("schedule: step %d: %w", i+1, err))
				}
			}
		}
		if s.Repeat == 0 {
			return
		}
	}
}

// fail reports a failure as an event.
func (p *Proxy) fail(err error) { p.server.tell(ServerEvent{Kind: Failed, Proxy: p.name, Err: err}) }

// apply applies a step as far as possible.
func (p *Proxy) apply(step Step) error {
	var failed error
	if step.Enabled != nil {
		failed = p.SetEnabled(*step.Enabled)
	}
	for _, name := range step.Remove {
		if !slices.ContainsFunc(step.Set, func(t Toxic) bool { return t.name() == name }) {
			_ = p.RemoveToxic(name) // it may not exist
		}
	}
	for _, t := range step.Set {
		t.Name = t.name()
		if has, ok := p.Toxic(t.Name); ok && has.Stream == t.Stream && has.Scope == t.Scope && has.Attributes.kind() == t.Attributes.kind() {
			if _, err := p.SetToxic(t.Name, t.Attributes, t.Toxicity); err == nil {
				continue
			}
		}
		_ = p.RemoveToxic(t.Name)
		if _, err := p.AddToxic(t); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if step.Reset {
		p.ResetConns()
	}
	return failed
}
