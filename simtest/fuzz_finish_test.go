package simtest_test

import (
	"fmt"
	"time"
)

// unfinished describes everything that has not ended, although it must once the network
// has been healthy for long enough.
func (w *fuzzWorld) unfinished() (left []string) {
	for _, h := range w.hosts {
		if h.dialing > 0 {
			left = append(left, fmt.Sprintf("%d dials of %s go on", h.dialing, h.name))
		}
		for _, e := range h.ends {
			if e.writing && !e.peerKeepsWindow() {
				left = append(left, fmt.Sprintf("%s is still writing on %s", h.name, e.model.id))
			}
		}
	}
	for _, c := range w.model.ordered {
		for side, e := range c.ends {
			if e == nil {
				continue
			}
			if e.readClosed && !e.readEnded && !e.closed {
				left = append(left, fmt.Sprintf("on %s, %s has closed for reading, and reads", c.id, e.host.name))
			}
			if missing := e.missing(); missing != "" {
				left = append(left, fmt.Sprintf("on %s, to side %d: %s", c.id, 1-side, missing))
			}
		}
		if why := c.forgotten(); why != "" {
			left = append(left, fmt.Sprintf("%s %s", c.id, why))
		}
	}
	return left
}

// peerKeepsWindow reports whether a write may wait forever, because the peer is open
// but does not read, or was never opened.
func (e *fuzzEnd) peerKeepsWindow() bool {
	peer := e.peer()
	return peer == nil || peer.readClosed && !peer.closed
}

// missing describes bytes that an end has sent and the other end should have received:
// either everything arrives, followed by the end of the stream, or the sender gets an
// error.
func (e *fuzzEnd) missing() string {
	out, peer := e.out(), e.peer()
	switch {
	case peer == nil || peer.readClosed || e.host.mayHaveCrashed(e.model.start, e.model.model.now()):
		return ""
	case peer.closed && e.closed:
		return ""
	case !e.closed && out.read < out.accepted && !e.readEnded && !e.crashedBehind() && !e.resetInVain():
		return fmt.Sprintf("%d of %d bytes have arrived, and the sender was not told", out.read, out.accepted)
	case e.model.broken || peer.closed || peer.mayTimeOut() || peer.host.mayHaveCrashed(e.model.start, e.model.model.now()):
		return ""
	case e.closed && (!e.clean || e.in().accepted != e.readAtClose):
		return "" // reset because of unread bytes, or they came afterwards
	case out.read < out.accepted:
		return fmt.Sprintf("%d of %d bytes have arrived", out.read, out.accepted)
	case out.finished && !peer.readEnded:
		return "the end has not arrived"
	}
	return ""
}

// crashedBehind reports whether the other end's host has crashed and may have received
// everything, so that nothing requires an answer.
func (e *fuzzEnd) crashedBehind() bool {
	return e.peer().host.mayHaveCrashed(e.lastWrite(), e.model.model.now())
}

// resetInVain reports whether the other end may have sent a reset that was lost: it is
// sent only once, unless something triggers another.
func (e *fuzzEnd) resetInVain() bool {
	m, peer := e.model.model, e.peer()
	return peer.closed && e.lastWrite() <= peer.closedAt &&
		m.troubled(e.from(), e.to(), e.faultPort(), peer.closedAt, m.now())
}

// lastWrite returns the time of the last write.
func (e *fuzzEnd) lastWrite() time.Duration {
	last, upTo := e.model.start, int64(0)
	for _, write := range e.out().writes {
		if write.upTo > upTo {
			last, upTo = write.at, write.upTo
		}
	}
	return last
}

// forgotten describes a connection that was never accepted, or an end that did not get a
// reset.
func (c *fuzzConn) forgotten() string {
	m := c.model
	now := m.now()
	dialler, accepter := c.ends[0], c.ends[1]
	crashed := m.hosts[c.hosts[0]].down.touch(c.start, now) || m.hosts[c.hosts[1]].down.touch(c.start, now)
	for _, e := range c.ends {
		if c.broken && !crashed && e != nil && !e.closed && !e.readEnded && !e.readClosed {
			return fmt.Sprintf("was reset, and %s does not know", e.host.name)
		}
	}
	switch {
	case crashed || c.broken:
	case dialler == nil:
		return "was accepted and not dialled"
	case accepter != nil || dialler.readEnded || dialler.linger || dialler.mayTimeOut():
	case c.port == servedPort:
		return "was dialled and not accepted"
	case !m.troubled(c.hosts[1], c.hosts[0], 0, c.start, now):
		return "was dialled and neither accepted nor reset"
	}
	return ""
}

// checkResets checks that ends whose peers closed with unread bytes, or with linger
// set, were reset, and did not see the end of the stream.
func (w *fuzzWorld) checkResets() {
	for _, c := range w.model.ordered {
		for _, e := range c.ends {
			if e == nil || e.peer() == nil || c.broken {
				continue
			}
			peer := e.peer()
			crashed := e.host.mayHaveCrashed(c.start, w.now()) || peer.host.mayHaveCrashed(c.start, w.now())
			excused := peer.finished || e.closed || e.readClosed || e.sawReset || e.mayTimeOut() || crashed
			if peer.dirty && e.sawEnd && !excused {
				w.model.complain("%s sees the end of %s, and not the reset", e.host.name, c.id)
			}
		}
	}
}

// checkArrived checks that datagrams have arrived if nothing prevented that.
func (w *fuzzWorld) checkArrived() {
	m := w.model
	for _, d := range m.sent {
		way := m.ways[[2]int{d.from, d.to}]
		if d.received > 0 || d.port != packetPort || way.lossy || way.limited ||
			m.troubled(d.from, d.to, d.port, d.at, d.at) || m.port(d.to, d.port).refused.touch(d.at, forever) ||
			m.hosts[d.to].refused.touch(d.at, forever) || m.hosts[d.to].down.touch(d.at, forever) {
			continue
		}
		m.complain("a datagram from %s to %s that was sent at %v has not arrived", fuzzHostName(d.from), fuzzHostName(d.to), d.at)
	}
}

// probe checks that surviving connections and hosts work as new once all faults have
// ended: data arrives, at once over perfect links, and hosts can be dialled.
func (w *fuzzWorld) probe() {
	w.note(func(m *fuzzModel, _ time.Duration) { m.probing = true })
	for _, h := range w.hosts {
		w.mu.Lock()
		ends := h.ends
		w.mu.Unlock()
		for _, e := range ends[max(0, len(ends)-6):] {
			w.probeConn(e)
		}
		for _, other := range w.hosts {
			w.probeHost(h, other)
		}
	}
}

// probeTime is the longest time that anything may take on a healthy network, whose
// links may still lose a packet several times in a row.
const probeTime = 10 * time.Minute

// probeConn sends a byte on a connection that nothing has ended.
func (w *fuzzWorld) probeConn(e *fuzzEnd) {
	w.mu.Lock()
	now, peer := w.now(), e.peer()
	for _, end := range []*fuzzEnd{e, peer} {
		if end == nil || end.closed || end.readEnded || end.readClosed || end.finished || end.sawReset || end.mayTimeOut() || end.writing ||
			end.host.mayHaveCrashed(e.model.start, now) {
			w.mu.Unlock()
			return
		}
	}
	if e.model.broken || e.out().read < e.out().accepted {
		w.mu.Unlock()
		return
	}
	e.orders = append(e.orders, 1)
	e.changed.Broadcast()
	w.mu.Unlock()
	time.Sleep(probeTime)
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.out().read < e.out().accepted || e.writing {
		w.model.complain("all faults have ended, but a byte that %s writes on %s does not arrive", e.host.name, e.model.id)
	}
}

// probeHost dials from one host to another, and sends a datagram.
func (w *fuzzWorld) probeHost(h, other *fuzzHost) {
	h.startDial(h.target(other.number, 0), 0)
	time.Sleep(probeTime)
	w.mu.Lock()
	h.sends = 0
	w.mu.Unlock()
	h.sendPacket(other.number, 0)
	time.Sleep(probeTime)
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.dialing > 0 {
		w.model.complain("all faults have ended, but %s cannot dial %s", h.name, other.name)
	}
	w.checkArrived()
	if !w.program.mend {
		return
	}
	for _, d := range w.model.sent {
		if now := w.now(); d.at == now-probeTime && d.received == 0 && (!w.program.calm || d.arrives > 0) {
			w.model.complain("all faults have ended, but a datagram from %s to %s has not arrived", h.name, other.name)
		}
	}
}
