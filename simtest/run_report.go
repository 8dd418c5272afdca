package simtest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// expireLocked stops the simulation before its end, and reports the reason and the
// state of the network.
func (s *Sim) expireLocked(why string) {
	s.closed = true
	close(s.expired)
	s.report = fmt.Sprintf("simtest: stopped after %v of simulated time: %s.\n%s", s.now(), why, s.stateLocked())
	if running := s.running(); running != "" {
		s.report += "Goroutines:\n" + running
	}
}

// stateLocked describes the network: who waits for what, and what is in flight.
func (s *Sim) stateLocked() string {
	var text strings.Builder
	fmt.Fprintf(&text, "The last event on the network was at %v.\n", s.trace.last)
	for _, h := range s.ordered {
		if lines := h.stateLocked(); len(lines) > 0 {
			fmt.Fprintf(&text, "Host %s:\n", h.title())
			writeLines(&text, lines)
		}
	}
	if lines := s.flightLocked(); len(lines) > 0 {
		fmt.Fprintf(&text, "On the network:\n")
		writeLines(&text, lines)
	}
	return text.String()
}

// maxLines limits each part of a report.
const maxLines = 20

func writeLines(text *strings.Builder, lines []string) {
	for i, line := range lines {
		if i == maxLines {
			fmt.Fprintf(text, "  and %d more\n", len(lines)-maxLines)
			return
		}
		fmt.Fprintf(text, "  %s\n", line)
	}
}

// title returns the host's name, and its state if it is not up.
func (h *Host) title() string {
	switch {
	case h.down:
		return h.name + " (crashed)"
	case h.killed:
		return h.name + " (killed)"
	case h.paused:
		return fmt.Sprintf("%s (paused, %s)", h.name, count(len(h.parked), "delivery waits", "deliveries wait"))
	}
	return h.name
}

// stateLocked describes the calls that wait on the host.
func (h *Host) stateLocked() (lines []string) {
	for _, addr := range slices.SortedFunc(maps.Keys(h.listeners), netip.AddrPort.Compare) {
		l := h.listeners[addr]
		lines = append(lines, fmt.Sprintf("listener %v: %s, %s", addr,
			waiters(l.accepts.lenLocked(), "Accept"), count(l.ready.len(), "connection to be accepted", "connections to be accepted")))
	}
	for _, addr := range slices.SortedFunc(maps.Keys(h.sockets), netip.AddrPort.Compare) {
		c := h.sockets[addr]
		lines = append(lines, fmt.Sprintf("udp %v: %s, %s unread", addr,
			waiters(c.reads.lenLocked(), "Read"), count(c.inbox.len(), "datagram", "datagrams")))
	}
	for _, l := range h.lookupsLocked() {
		lines = append(lines, l.stateLocked())
	}
	for _, d := range h.dialsLocked() {
		lines = append(lines, d.statesLocked()...)
	}
	for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
		lines = append(lines, c.stateLocked())
	}
	return lines
}

// stateLocked describes a connection.
func (c *conn) stateLocked() string {
	words := []string{waiters(c.reads.lenLocked(), "Read")}
	if n := c.writes.lenLocked(); n > 0 {
		words = append(words, waiters(n, "Write"))
	}
	if c.unread > 0 {
		words = append(words, count(c.unread, "byte unread", "bytes unread"))
	}
	if c.tcp == nil && c.outstanding > 0 {
		words = append(words, count(c.outstanding, "byte sent that the peer has not read", "bytes sent that the peer has not read"))
	}
	switch {
	case c.isForgotten():
		words = append(words, "was reset")
	case c.state.IsFinReceived():
		words = append(words, "the peer has ended its stream")
	case c.peer.usage == gone:
		words = append(words, "the peer is gone")
	}
	if c.tcp == nil && c.pathState != working {
		words = append(words, "the path to the peer does not work")
	}
	return fmt.Sprintf("%v, %v to %v (%s): %s", c.id(), c.local.addr(), c.remote.addr(), c.far.name, strings.Join(words, ", "))
}

// flightLocked describes the deliveries in flight, and the faults that keep them
// from arriving.
func (s *Sim) flightLocked() (lines []string) {
	type flight struct{ deliveries, bytes int }
	flying := make(map[string]*flight)
	for _, e := range slices.Concat(s.ties.due.store, s.queue.store) { // free entries have no host
		if e.host != nil {
			f := flying[e.host.name]
			if f == nil {
				f = &flight{}
				flying[e.host.name] = f
			}
			f.deliveries++
			if e.what == arriving {
				f.bytes += e.n
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(flying)) {
		lines = append(lines, fmt.Sprintf("in flight to %s: %s, %s", name,
			count(flying[name].deliveries, "delivery", "deliveries"), count(flying[name].bytes, "byte", "bytes")))
	}
	lines = append(lines, s.chaos.lines()...)
	lines = append(lines, s.cutsLocked()...)
	for _, key := range slices.SortedFunc(maps.Keys(s.routes), compareStrings) {
		if r := s.routes[key]; r.held {
			lines = append(lines, fmt.Sprintf("held from %s to %s: %s", key[0], key[1], count(len(r.waiting), "delivery", "deliveries")))
		}
	}
	for _, h := range slices.SortedFunc(slices.Values(s.ordered), compareNames) {
		lines = append(lines, h.rulesLocked()...)
	}
	if at, ok := s.nextEventLocked(); ok {
		lines = append(lines, fmt.Sprintf("the next event is at %v", at))
	}
	return lines
}

func compareStrings(a, b [2]string) int { return slices.Compare(a[:], b[:]) }

func waiters(n int, call string) string {
	if n == 0 {
		return "nobody in " + call
	}
	return fmt.Sprintf("%d in %s", n, call)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
