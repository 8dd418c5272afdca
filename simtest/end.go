package simtest

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
)

// close ends the simulation: it has the loop close every listener, dial and
// connection, and waits for that. What is asked of the network from then on
// fails with net.ErrClosed.
func (s *Sim) close() {
	s.mu.Lock()
	s.closed = true
	s.unlock()
	s.ring()
	<-s.stopped
}

// closeAll is the last thing that the loop does. What is open is closed one
// after another, in an order that is the same in every run, and without a word
// to peers: they are closed themselves.
func (s *Sim) closeAll() {
	s.mu.Lock()
	var ends []func()
	for _, host := range slices.SortedFunc(maps.Values(s.hosts), func(a, b *Host) int { return cmp.Compare(a.number, b.number) }) {
		ends = append(ends, host.endsLocked()...)
	}
	s.unlock()
	for _, end := range ends {
		s.mu.Lock()
		end()
		s.unlock()
		s.settle()
	}
}

// endsLocked returns what closes each thing that the host has open, in order.
func (h *Host) endsLocked() (ends []func()) {
	for _, addr := range slices.SortedFunc(maps.Keys(h.listeners), netip.AddrPort.Compare) {
		ends = append(ends, h.listeners[addr].vanishLocked)
	}
	for _, d := range slices.SortedFunc(maps.Keys(h.diallings), func(a, b *dialling) int { return cmp.Compare(h.diallings[a], h.diallings[b]) }) {
		ends = append(ends, func() { d.answerLocked(net.ErrClosed) })
	}
	for _, c := range slices.SortedFunc(maps.Keys(h.conns), func(a, b *conn) int { return compareKeys(a.key(), b.key()) }) {
		ends = append(ends, c.vanishLocked)
	}
	return ends
}
