package simtest

import (
	"context"
	"net/netip"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A net.Dialer's defaults for the addresses of a name.
const (
	// fallbackDelay is the first family's head start: the other family's addresses are
	// tried this much later (RFC 8305, section 5).
	fallbackDelay = 300 * time.Millisecond

	// leastTimeout is the minimum time for an address when several share the time that
	// is left.
	leastTimeout = 2 * time.Second
)

// A series tries the addresses of one family in turn.
type series struct {
	*dialling

	// Guarded by sim.mu.
	untried []netip.AddrPort
	begun   bool
	done    bool  // all of its addresses have failed
	err     error // of the first address
}

// splitLocked divides the addresses into two series: first the family of the first
// address, and then the other family.
func (d *dialling) splitLocked() {
	d.primary.dialling, d.fallback.dialling = d, d
	d.oneHost = true
	first := d.family.destination(d.remotes[0]).Addr()
	host, primary := d.host.hostOfLocked(first), 0
	for _, remote := range d.remotes {
		to := d.family.destination(remote).Addr()
		d.oneHost = d.oneHost && d.host.hostOfLocked(to) == host
		if d.family.version != 0 || to.Is4() == first.Is4() {
			primary++
		}
	}
	d.primary.untried, d.fallback.untried = d.remotes[:primary], d.remotes[primary:]
}

// startLocked tries the first address, and after fallbackDelay the first one of the
// other family. If both families lead to one host, they share a route, and the other
// family is tried only if a rule or a listener distinguishes the families.
func (d *dialling) startLocked() {
	if d.isOverLocked() {
		return
	}
	d.splitLocked()
	d.primary.nextLocked()
	if len(d.fallback.untried) > 0 && !d.oneHost {
		s := d.host.sim
		s.callAtLocked(timeline.Add(s.now(), fallbackDelay), d.host, d.fallBackLocked)
	}
}

// fallBackLocked also tries the addresses of the other family.
func (d *dialling) fallBackLocked() {
	if !d.fallback.begun && len(d.fallback.untried) > 0 {
		d.fallback.nextLocked()
	}
}

// nextLocked tries the next address. There must be one.
func (r *series) nextLocked() {
	if r.isOverLocked() {
		return
	}
	a := &r.firstTry
	if len(r.attempts) > 0 {
		a = new(attempt)
	}
	a.series, a.shown = r, r.untried[0]
	a.remote = r.family.destination(a.shown)
	ends := r.partialDeadlineLocked()
	r.begun, r.untried = true, r.untried[1:]
	r.trace.started(a.shown)
	r.attempts = append(r.attempts, a)
	a.startLocked()
	if ends < r.deadline {
		r.host.sim.callAtLocked(ends, r.host, a.timeOutLocked)
	}
}

// partialDeadlineLocked returns the deadline of the next address, which leaves time for
// later addresses.
func (r *series) partialDeadlineLocked() time.Duration {
	now := r.host.sim.now()
	left := r.deadline - now
	if r.deadline == endOfTime || len(r.untried) == 1 {
		return r.deadline
	}
	return now + min(left, max(left/time.Duration(len(r.untried)), leastTimeout))
}

// timeOutLocked gives up the attempt, unless it is already over.
func (a *attempt) timeOutLocked() {
	if !a.isGoneLocked() {
		a.failedLocked(dialError(context.DeadlineExceeded))
	}
}

// isGoneLocked reports whether the attempt's answer is no longer waited for.
func (a *attempt) isGoneLocked() bool { return a.over || a.isOverLocked() }

// failedLocked continues after a failed attempt: with the next address of the series,
// or with the other series, even before its delay has passed. If none is left, the dial
// fails with the first address's error.
func (a *attempt) failedLocked(err error) {
	if a.over {
		return
	}
	a.over = true
	a.trace.over(a.shown, err)
	r, d := a.series, a.dialling
	if r.err == nil {
		r.err = err
	}
	if len(r.untried) > 0 {
		r.nextLocked()
		return
	}
	r.done = true
	if !d.fallback.begun && (a.elsewhere || !d.oneHost) {
		d.fallBackLocked()
	}
	if d.primary.done && d.fallback.begun == d.fallback.done {
		d.answerLocked(d.primary.err)
	}
}

// blackholedLocked is called when the request of an attempt, or the answer, was lost.
// If a rule has dropped it but lets the other family pass, the other family is tried.
func (a *attempt) blackholedLocked(end *conn, request bool) {
	s := a.host.sim
	p := end.packetLocked(request)
	if !a.oneHost || !end.host.blackholesLocked(p) {
		return
	}
	s.callAtLocked(max(s.now(), timeline.Add(a.began, fallbackDelay)), a.host, func() {
		other := p
		other.family = 4 + 6 - p.family
		if end.host.blackholesLocked(p) && !end.host.blackholesLocked(other) {
			a.fallBackLocked()
		}
	})
}

// listensElsewhereLocked reports whether the server listens on an untried address of
// the other family. Addresses that a rule refuses count if mayRefuse is set.
func (d *dialling) listensElsewhereLocked(server *Host, mayRefuse bool) bool {
	for _, remote := range d.fallback.untried {
		remote = d.family.destination(remote)
		request := packet{from: d.host, family: familyOf(remote.Addr()), port: remote.Port(), request: true}
		if server.listenerLocked(remote) != nil && (mayRefuse || !server.refusesLocked(request)) {
			return true
		}
	}
	return false
}
