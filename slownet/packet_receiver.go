package slownet

import "github.com/slowpoetry/slowpoetry/slownet/trace"

// A packetReceiver carries datagrams from the inner connection over their link to
// the reader. While none is in flight or unread, the reader itself waits in the
// inner connection. From the first datagram on, a goroutine called the read-ahead
// reads, so that latencies overlap; it ends when the reader has received all
// datagrams.
type packetReceiver struct {
	packetHalf
	arrived []datagram // to be read, in order
	unread  int        // size of arrived in memory
	failed  error      // the read-ahead's error, returned after the last datagram
	largest int        // largest buffer of a reader so far
	control int        // largest buffer for control messages so far
}

// read waits for a datagram to arrive and stores it in the first message. It stores
// other datagrams that have arrived in the next messages, and returns the number of
// messages filled.
func (r *packetReceiver) read(ms []message) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.takeTurnLocked(); err != nil {
		return 0, err
	}
	defer func() { r.endTurnLocked(r.isPlainLocked() && r.isEmptyLocked() && r.failed == nil) }()
	for i := range ms {
		r.largest = max(r.largest, len(ms[i].data))
		r.control = max(r.control, len(ms[i].oob))
	}
	for {
		if err := r.checkLocked(); err != nil {
			return 0, err
		}
		if err := r.conn.takePending(Read); err != nil {
			return 0, err
		}
		if r.stalled {
			r.waitLocked(&r.changed, never)
			continue
		}
		r.moveArrivedLocked()
		switch {
		case len(r.arrived) > 0:
			for n < len(ms) && len(r.arrived) > 0 {
				r.takeLocked(&ms[n])
				n++
			}
			return n, nil
		case !r.flight.isEmpty():
			r.startReadAheadLocked()
			r.waitLocked(&r.changed, r.flight.next())
		case r.queued > 0:
			r.startReadAheadLocked()
			r.waitLocked(&r.changed, never)
		case r.failed != nil:
			err, r.failed = r.failed, nil
			if !isTimeout(err) { // a timeout was the read-ahead's; this call may succeed
				return 0, err
			}
		case r.background:
			r.waitLocked(&r.changed, never) // the read-ahead is about to end
		default:
			if err := r.readAheadLocked(ms[0].data); err != nil {
				return 0, err
			}
		}
	}
}

// isEmptyLocked reports whether nothing is in flight to the reader.
func (r *packetReceiver) isEmptyLocked() bool {
	return len(r.arrived) == 0 && r.flight.isEmpty() && r.queued == 0
}

// moveArrivedLocked moves datagrams that have arrived from the flight to arrived.
func (r *packetReceiver) moveArrivedLocked() {
	for now := r.now(); r.flight.hasArrived(now); {
		d := r.flight.pop()
		r.arrived = append(r.arrived, d)
		r.unread += d.size()
	}
}

// takeLocked hands the reader the first datagram that has arrived.
func (r *packetReceiver) takeLocked(m *message) {
	d := r.arrived[0]
	r.arrived[0] = datagram{}
	r.arrived = r.arrived[1:]
	r.unread -= d.size()
	r.traceLocked(trace.Data, d, 0, "")
	if r.isEmptyLocked() {
		r.arrived = nil
		r.recallLocked()
	}
	r.work.wake()
	m.receive(d)
}

// A caller's buffer of at least directReadSize bytes is read into directly while
// nothing is in flight. A datagram that does not fit has the buffer's size on the
// link.
const directReadSize = 2048

// readAheadLocked reads a datagram from the inner connection on the reader's
// goroutine.
func (r *packetReceiver) readAheadLocked(p []byte) error {
	buffer, release := p, func() {}
	if len(p) < directReadSize {
		buffer, release = r.bufferLocked()
	}
	defer release()
	var d datagram
	control := r.controlLocked()
	read := false
	_, err := r.directly(func(p []byte) (n int, err error) {
		d, err = receiveFrom(r.conn.inner, p, control)
		read = err == nil
		return n, err
	}, buffer)
	if read {
		r.transmitLocked(d)
		return nil
	}
	return err
}

// transmitLocked puts a datagram from the inner connection into flight.
func (r *packetReceiver) transmitLocked(d datagram) {
	if r.closed {
		return
	}
	for d := range d.segments(receivedSegments) {
		d.number = r.count
		r.count++
		if r.endpoint.trace != nil {
			d.accepted = r.now()
		}
		r.traceLocked(trace.Send, d, 0, "")
		for _, packet := range r.passLocked(d, r) {
			r.flight.push(d.as(packet))
		}
	}
	r.changed.wake()
}

// controlLocked returns a buffer for as many control messages as any reader had room
// for.
func (r *packetReceiver) controlLocked() []byte {
	if r.control == 0 {
		return nil
	}
	return make([]byte, r.control)
}

// bufferLocked returns a buffer for the largest datagram that any reader had
// room for, and a function that releases it.
func (r *packetReceiver) bufferLocked() (buffer []byte, release func()) {
	if r.largest > bufferSize {
		return make([]byte, r.largest), func() {}
	}
	pooled := getBuffer()
	return pooled[:], func() { putBuffer(pooled) }
}

func (r *packetReceiver) startReadAheadLocked() {
	if r.background || r.failed != nil {
		return
	}
	r.beginWorkLocked(r.readAhead)
}

// readAhead runs until the reader has received all datagrams.
func (r *packetReceiver) readAhead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	buffer, release := r.bufferLocked()
	defer release()
	control := r.controlLocked()
	for !r.isEmptyLocked() && r.failed == nil && !r.closed {
		r.moveArrivedLocked()
		switch {
		case r.stalled, r.unread >= maxUnread:
			r.waitLocked(&r.work, never)
		case r.flight.size >= maxFlight:
			r.waitLocked(&r.work, r.flight.next())
		default:
			r.readAheadOnceLocked(buffer, control)
		}
	}
	r.endWorkLocked()
}

// readAheadOnceLocked puts the next datagram into flight.
func (r *packetReceiver) readAheadOnceLocked(buffer, control []byte) {
	r.mu.Unlock()
	d, err := receiveFrom(r.conn.inner, buffer, control)
	r.mu.Lock()
	if r.recalled && isTimeout(err) {
		return
	}
	for r.stalled && !r.closed {
		r.waitLocked(&r.work, never)
	}
	r.recalled = false // a datagram has arrived
	_ = r.syncLocked(false)
	if err != nil {
		r.failed = err
		return
	}
	r.transmitLocked(d)
}

// close makes later reads fail, and blocked ones after failBlocked.
func (r *packetReceiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight.clear()
	r.arrived, r.unread = nil, 0
	r.closeLocked()
}
