package simtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// A program is a function that runs on a host until the host crashes, or the simulation
// ends.
type program struct {
	host     *Host
	f        func(ctx context.Context) error
	lifetime lifetime // of its present run
}

// Causes with which a program's context ends; see context.Cause.
var (
	// ErrCrashed is the cause when the program's host crashes.
	ErrCrashed = errors.New("simtest: the host has crashed")

	// ErrEnded is the cause when the simulation ends.
	ErrEnded = errors.New("simtest: the simulation has ended")
)

// Run runs a program on the host, in a goroutine of its own, until it returns. The
// program's context ends when the host crashes or is killed, or the simulation ends;
// then the program should return soon. At the end of the simulation it has
// [Config.Grace] for that, with the network up, so it can finish its work, as
// http.Server.Shutdown does; after a crash or a kill the network is down. When the host
// is restarted, the program runs again from the beginning; state that must survive has
// to be kept outside of the program, as on a disk. If the program returns an error
// before its context has ended, the test fails. A host can have several programs.
func (h *Host) Run(f func(ctx context.Context) error) {
	if f == nil {
		panic("simtest: Host.Run needs a program to run")
	}
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	p := &program{host: h, f: f}
	h.programs = append(h.programs, p)
	if !h.hasEndedLocked() && h.sim.startsLocked() {
		p.startLocked()
	}
}

func (p *program) startLocked() {
	ctx, stop := context.WithCancelCause(p.host.sim.context(p.host.name))
	p.lifetime = lifetime{ctx, stop}
	p.host.sim.programs++
	p.host.sim.started(p.host.name, func() {
		defer p.host.sim.programReturned()
		err := p.f(ctx)
		if err != nil && ctx.Err() == nil {
			p.host.sim.fail(fmt.Sprintf("simtest: the program of host %q has failed: %v", p.host.name, err))
		}
		stop(nil)
	})
}

// startsLocked reports whether programs and scripts may still start.
func (s *Sim) startsLocked() bool { return !s.ending && !s.closed }

// programReturned counts a program that has returned.
func (s *Sim) programReturned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.programs--
	s.noteReturnsLocked()
}

// noteReturnsLocked wakes the waiters when all programs have returned.
func (s *Sim) noteReturnsLocked() {
	if s.programs == 0 && s.returned != nil {
		close(s.returned)
		s.returned = nil
	}
}

// Crash crashes the host, as if its power was cut: its connections vanish without
// notifying their peers, its listeners and sockets disappear, and the contexts of its
// programs end. For goroutines that still run, the host's connections are closed, and
// the network is down; waiting calls return one after another, or at once when their
// endpoint is closed. Nothing sent to the host is answered. Packets that the host sent
// before the crash still arrive.
func (h *Host) Crash() { h.sim.control("crash "+h.name, h.crashLocked) }

// Restart starts the programs of [Host.Run] again on a host that has crashed or was
// killed. A running host crashes first. A peer that still uses an old connection gets a
// reset.
func (h *Host) Restart() {
	h.sim.control("restart "+h.name, h.restartLocked)
}

func (h *Host) restartLocked() {
	if !h.killed {
		h.crashLocked()
	}
	h.down, h.killed, h.lifetime = false, false, lifetime{}
	if h.chaos != nil {
		h.chaos.down = false
	}
	h.hostEventLocked("restart")
	h.sim.openedLocked()
	for _, p := range h.programs {
		h.soonLocked(func() {
			if !h.hasEndedLocked() && h.sim.startsLocked() {
				p.startLocked()
			}
		})
	}
}

func (h *Host) crashLocked() {
	if h.down {
		return
	}
	h.sim.disturbLocked([]*Host{h}, h.goDownLocked)
}

func (h *Host) goDownLocked() {
	h.down = true
	h.crashes++
	h.hostEventLocked("crash")
	h.resumeLocked()
	h.stopProgramsLocked(ErrCrashed)
	// Everything open is closed at once. Waiting calls return one by one.
	for _, end := range h.endsLocked() {
		h.soonLocked(end.do)
	}
	for _, l := range h.listeners {
		l.closed = true
	}
	for _, c := range h.sockets {
		c.closed = true
	}
	for d := range h.diallings {
		d.crashed = true
	}
	for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
		c.closes()
		c.abandonLocked()
	}
}

// soonLocked schedules a function on the host at this instant, after all earlier calls.
func (h *Host) soonLocked(do func()) {
	h.sim.scheduleLocked(h.sim.now(), &event{do: do, line: &h.line})
}

// endsLocked returns the endings of everything that the host has open, in order. They
// do not notify peers.
func (h *Host) endsLocked() (ends []ending) {
	vanish := func(e endpoint) { ends = append(ends, ending{e.vanishLocked, e.isWaitedForLocked}) }
	for _, addr := range slices.SortedFunc(maps.Keys(h.listeners), netip.AddrPort.Compare) {
		vanish(h.listeners[addr])
	}
	for _, addr := range slices.SortedFunc(maps.Keys(h.sockets), netip.AddrPort.Compare) {
		vanish(h.sockets[addr])
	}
	ends = append(ends, h.lookupEndsLocked()...)
	for _, d := range h.dialsLocked() {
		ends = append(ends, ending{func() { d.answerLocked(errNetworkDown("connect")) }, d.isWaitedForLocked})
	}
	for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
		vanish(c)
	}
	return ends
}

// An ending is something that ends with its host or with the simulation.
type ending struct {
	do             func()
	wakesOneLocked func() bool // reports whether do will wake a goroutine
}

// An endpoint is a listener, a socket, or an end of a connection.
type endpoint interface {
	isWaitedForLocked() bool // a call waits, or a notification is due
	wakeLocked()             // ends such calls on a closed endpoint
	vanishLocked()           // closes it without notifying the peer
}

// closesLocked is called by Close and similar methods. It reports whether the endpoint
// is already closed. After a crash, calls on the endpoint may still wait, because their
// turn to return has not come. They return now: the caller of Close may wait for them
// while it holds a lock that goroutines that returned earlier wait for.
func (h *Host) closesLocked(e endpoint, closed bool) (late bool) {
	if (closed || h.hasEndedLocked() || h.sim.ending) && e.isWaitedForLocked() {
		h.sim.mayStallLocked(stallBudget)
	}
	if closed {
		e.wakeLocked()
	}
	return closed
}

// dialsLocked returns the pending dials in order. Dials of one instant are ordered by
// address, since the order of the calls depends on the scheduler.
func (h *Host) dialsLocked() []*dialling {
	return slices.SortedFunc(maps.Keys(h.diallings), func(a, b *dialling) int {
		return cmp.Or(cmp.Compare(a.began, b.began), cmp.Compare(a.address, b.address), cmp.Compare(a.order, b.order))
	})
}

// Pause suspends the host, like a virtual machine that is being migrated: until it is
// resumed, nothing reaches it and nothing that it sends leaves. Its goroutines cannot
// be stopped and continue to run, invisibly to others. Time goes on.
func (h *Host) Pause() {
	h.sim.control("pause "+h.name, func() {
		if !h.down && !h.paused {
			h.pauseLocked()
		}
	})
}

func (h *Host) pauseLocked() {
	h.sim.disturbLocked([]*Host{h}, func() { h.paused = true })
	h.hostEventLocked("pause")
}

// Resume resumes a paused host. Everything that was sent to it and by it in the
// meantime arrives.
func (h *Host) Resume() {
	h.sim.control("resume "+h.name, func() {
		if h.paused {
			h.hostEventLocked("resume")
			h.resumeLocked()
		}
	})
}

func (h *Host) resumeLocked() {
	h.paused = false
	if h.chaos != nil {
		h.chaos.paused = false
	}
	if len(h.parked) > 0 && !h.catchingUp {
		h.catchingUp = true
		h.sim.callAtLocked(h.sim.now(), nil, h.catchUpLocked)
	}
}

// catchUpLocked handles the next event that a host has missed. Until the host has
// caught up, new events wait after the missed ones, so that order is kept.
func (h *Host) catchUpLocked() {
	next := h.parked[0]
	h.parked[0] = event{}
	h.parked = h.parked[1:]
	h.sim.dispatchNowLocked(&next)
	if h.catchingUp = len(h.parked) > 0; h.catchingUp {
		h.sim.callAtLocked(h.sim.now(), nil, h.catchUpLocked)
	} else {
		h.parked = nil
	}
}
