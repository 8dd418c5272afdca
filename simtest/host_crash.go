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

// A program is a function that runs on a host for as long as the host does.
type program struct {
	host     *Host
	f        func(ctx context.Context) error
	lifetime lifetime // of its present run
}

// What a program's context ends with; see context.Cause.
var (
	// ErrCrashed is why the context of a program ends when its host crashes.
	ErrCrashed = errors.New("simtest: the host has crashed")

	// ErrEnded is why it ends when the simulation does.
	ErrEnded = errors.New("simtest: the simulation has ended")
)

// Run runs a program on the host, in a goroutine of its own, until it returns.
// Its context ends when the host crashes or is killed, or the simulation ends;
// then it should return soon. At the end of the simulation it has [Config.Grace]
// for that, with the network up, so it may finish what it does, as
// http.Server.Shutdown does; after a crash or a kill the network is down. When the
// host is restarted it is run again, from the beginning; state that is to
// survive must be kept outside of it, as on a disk. If it returns an error
// before its context has ended, the test fails. A host can have several
// programs.
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

// startsLocked reports whether programs are still started, and scripts called.
func (s *Sim) startsLocked() bool { return !s.ending && !s.closed }

// programReturned counts a program that has returned.
func (s *Sim) programReturned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.programs--
	s.noteReturnsLocked()
}

// noteReturnsLocked wakes those who wait for it when all programs have
// returned.
func (s *Sim) noteReturnsLocked() {
	if s.programs == 0 && s.returned != nil {
		close(s.returned)
		s.returned = nil
	}
}

// Crash has the host crash, as if its power was cut: its connections vanish
// without a word to the other ends, its listeners and sockets go, and the
// contexts of its programs end. To goroutines that run on nevertheless, its
// connections are closed, and the network is down; those that wait for something
// are told one after another, or at once when it is closed. Nothing that is
// sent to the host is answered. What it sent before still arrives.
func (h *Host) Crash() { h.sim.control("crash "+h.name, h.crashLocked) }

// Restart starts the programs of [Host.Run] again on a host that has crashed or
// was killed. One that runs crashes first. A peer that still uses a connection
// from before gets a reset.
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
	// What is open is closed at once. Those who wait for it are told one by one.
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

// soonLocked has something happen on the host at this instant, behind all else
// that it was called for.
func (h *Host) soonLocked(do func()) {
	h.sim.scheduleLocked(h.sim.now(), event{do: do, line: &h.line})
}

// endsLocked returns what closes each thing that the host has open, in order,
// and without a word to anyone.
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
	wakesOneLocked func() bool // reports whether it is going to wake someone
}

// An endpoint is a listener, a socket, or an end of a connection.
type endpoint interface {
	isWaitedForLocked() bool // a call waits, or a notification is due
	wakeLocked()             // ends such calls, where it is closed
	vanishLocked()           // closes it without telling the peer
}

// closesLocked is called by the user's Close and the like. It reports whether
// the endpoint is closed already. Calls may still wait in it, because the host
// has crashed and their turn to be told has not come. They are told at once:
// the caller may wait for them while it holds a lock that goroutines told
// earlier wait for.
func (h *Host) closesLocked(e endpoint, closed bool) (late bool) {
	if (closed || h.hasEndedLocked() || h.sim.ending) && e.isWaitedForLocked() {
		h.sim.mayStallLocked(stallBudget)
	}
	if closed {
		e.wakeLocked()
	}
	return closed
}

// dialsLocked returns those who wait for the answer to a dial, in order. What
// was dialled at one instant comes in the order of the addresses; that of the
// calls is the scheduler's.
func (h *Host) dialsLocked() []*dialling {
	return slices.SortedFunc(maps.Keys(h.diallings), func(a, b *dialling) int {
		return cmp.Or(cmp.Compare(a.began, b.began), cmp.Compare(a.address, b.address), cmp.Compare(a.order, b.order))
	})
}

// Pause has the host stand still, as a virtual machine does that is moved:
// nothing reaches it and nothing that it sends leaves, until it is resumed. Its
// goroutines cannot be stopped and run on, but nobody hears of it. Time goes on.
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

// Resume lets a host go on that stands still. What was sent meanwhile arrives,
// on it and from it.
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

// catchUpLocked has the next thing happen that a host has missed. Until it has
// caught up, what comes waits behind that, so that nothing overtakes.
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
