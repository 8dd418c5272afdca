package simtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"time"
)

// A pendingLookup is a lookup of a name that takes time.
type pendingLookup struct {
	host   *Host
	name   string
	began  time.Duration
	ends   time.Duration
	result chan error // receives nil when the time has passed, or the error of the lookup; once

	// Guarded by sim.mu.
	order uint64 // among the host's dials
	over  bool   // the result was sent, or the call no longer waits
}

// beginLookupLocked schedules the end of a lookup as an event of the network,
// so that lookups that end at one instant end in a fixed order.
func (h *Host) beginLookupLocked(name string, delay time.Duration) *pendingLookup {
	h.dials++
	l := &pendingLookup{host: h, name: name, began: h.sim.now(), result: make(chan error, 1), order: h.dials}
	if l.ends = l.began + delay; l.ends < l.began {
		l.ends = math.MaxInt64
	}
	h.lookups[l] = struct{}{}
	h.sim.postLocked(action{key: key{host: h.number, conn: dials, address: &l.name, sequence: h.dials}, do: func() {
		h.sim.callAtLocked(l.ends, nil, func() { l.answerLocked(nil) })
	}})
	return l
}

// wait returns nil when the lookup's time has passed or the context has ended, or the
// error if the lookup fails before.
func (l *pendingLookup) wait(ctx context.Context) error {
	select {
	case err := <-l.result:
		return err
	case <-ctx.Done():
		l.host.sim.mu.Lock()
		defer l.host.sim.mu.Unlock()
		l.endLocked()
		return nil
	}
}

// answerLocked answers the waiting call, if there is one.
func (l *pendingLookup) answerLocked(err error) {
	if !l.over {
		l.endLocked()
		l.result <- err
	}
}

func (l *pendingLookup) endLocked() {
	l.over = true
	delete(l.host.lookups, l)
}

// lookupErrorLocked returns the error of lookups if none can succeed on the host now.
func (h *Host) lookupErrorLocked(name string) error {
	switch {
	case h.sim.closed:
		return dnsError(name, net.ErrClosed)
	case h.hasEndedLocked():
		return &net.DNSError{Err: "network is down", Name: name, IsTemporary: true}
	}
	return nil
}

// lookupEndsLocked returns the endings that make pending lookups fail, in
// order.
func (h *Host) lookupEndsLocked() (ends []ending) {
	for _, l := range h.lookupsLocked() {
		err := h.lookupErrorLocked(l.name) // the host may be up again when the call returns
		ends = append(ends, ending{func() { l.answerLocked(err) }, func() bool { return !l.over }})
	}
	return ends
}

// lookupsLocked returns the pending lookups, in an order independent of the scheduler.
func (h *Host) lookupsLocked() []*pendingLookup {
	return slices.SortedFunc(maps.Keys(h.lookups), func(a, b *pendingLookup) int {
		return cmp.Or(cmp.Compare(a.began, b.began), cmp.Compare(a.name, b.name), cmp.Compare(a.order, b.order))
	})
}

// stateLocked describes the lookup.
func (l *pendingLookup) stateLocked() string {
	return fmt.Sprintf("lookup of %q: takes until %v", l.name, l.ends)
}
