package simtest

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
)

// ErrKilled is the cause with which a program's context ends when [Host.Kill]
// is called; see [context.Cause].
var ErrKilled = errors.New("simtest: the host's process was killed")

// Kill kills the process on the host, as kill -9 does; the machine stays up. The
// contexts of its programs and of [Host.Go] end, and the kernel closes everything that
// the process had open: the peer of a connection gets the end of the stream after
// everything that was written, or a reset if something is unread or SetLinger was set
// to zero; connections that wait for Accept are reset. From then on, until
// [Host.Restart], dials are refused, and datagrams are answered as if the port was
// closed.
//
// For goroutines that still run, everything they had open is closed, and the network is
// down. If the process was killed already, or the host has crashed, Kill does nothing.
func (h *Host) Kill() { h.sim.control("kill "+h.name, h.killLocked) }

func (h *Host) killLocked() {
	if h.hasEndedLocked() {
		return
	}
	h.killed = true
	h.hostEventLocked("kill")
	h.stopProgramsLocked(ErrKilled)
	ends := h.endsLocked()
	// Everything open is closed at once. Waiting calls return one by one.
	for _, addr := range slices.SortedFunc(maps.Keys(h.listeners), netip.AddrPort.Compare) {
		l := h.listeners[addr]
		l.closed = true
		for _, c := range l.ready.waiting() {
			c.resetUnheardLocked()
		}
	}
	for _, c := range h.sockets {
		c.closed = true
	}
	for d := range h.diallings {
		d.crashed = true
	}
	for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
		if !c.isClosed() {
			c.sendCloseLocked()
			c.closes()
		}
	}
	for _, end := range ends {
		h.soonLocked(end.do)
	}
}

// resetUnheardLocked resets the peer of a connection that no program has
// accepted.
func (c *conn) resetUnheardLocked() {
	c.postLocked(sending, resetting)
	c.closes()
}

// hasEndedLocked reports whether the host has no process: it was killed or has crashed,
// and was not restarted.
func (h *Host) hasEndedLocked() bool { return h.down || h.killed }
