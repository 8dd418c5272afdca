package slownet

import "github.com/slowpoetry/slowpoetry/slownet/trace"

// A packetReceiver takes datagrams that come out of the inner connection over
// their link to the reader. While none is in flight or unread the reader
// himself waits in the inner connection. As soon as one is, one goroutine, the
// pump, reads ahead, so that latencies overlap; it ends when the reader has got
// all.
type packetReceiver struct {
	packetHalf
	arrived []datagram // to be read, in order
	unread  int        // what they take up in memory
	failed  error      // that the pump has met, for when the reader has got all
	largest int        // buffer of a reader's so far
	control int        // the same, of those for control messages
}

// read waits for a datagram to arrive. It fills the first message with it and
// the others with what else has arrived, and returns the number of messages
// filled.
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
		r.settleLocked()
		switch {
		case len(r.arrived) > 0:
			for n < len(ms) && len(r.arrived) > 0 {
				r.takeLocked(&ms[n])
				n++
			}
			return n, nil
		case !r.flight.isEmpty():
			r.startPumpLocked()
			r.waitLocked(&r.changed, r.flight.next())
		case r.queued > 0:
			r.startPumpLocked()
			r.waitLocked(&r.changed, never)
		case r.failed != nil:
			err, r.failed = r.failed, nil
			if !isTimeout(err) { // of a read ahead; this one may succeed
				return 0, err
			}
		case r.background:
			r.waitLocked(&r.changed, never) // the pump is about to end
		default:
			if err := r.readAheadLocked(ms[0].data); err != nil {
				return 0, err
			}
		}
	}
}

// isEmptyLocked reports whether nothing is on its way to the reader.
func (r *packetReceiver) isEmptyLocked() bool {
	return len(r.arrived) == 0 && r.flight.isEmpty() && r.queued == 0
}

// settleLocked takes what has arrived out of the flight.
func (r *packetReceiver) settleLocked() {
	for now := r.now(); r.flight.hasArrived(now); {
		d := r.flight.pop()
		r.arrived = append(r.arrived, d)
		r.unread += d.size()
	}
}

// takeLocked gives the reader the first datagram that has arrived.
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

// roomy is a buffer that is read into itself while nothing is in flight: a
// datagram that does not fit is a long one. The link takes it for as long as the
// buffer.
const roomy = 2048

// readAheadLocked lets the reader himself take a datagram out of the inner
// connection.
func (r *packetReceiver) readAheadLocked(p []byte) error {
	buffer, release := p, func() {}
	if len(p) < roomy {
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
		r.launchLocked(d)
		return nil
	}
	return err
}

// launchLocked puts a datagram into flight that came out of the inner
// connection.
func (r *packetReceiver) launchLocked(d datagram) {
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

// controlLocked returns room for all control messages that a reader wants.
func (r *packetReceiver) controlLocked() []byte {
	if r.control == 0 {
		return nil
	}
	return make([]byte, r.control)
}

// bufferLocked returns a buffer for any datagram of which a reader wants all,
// and what gives it back.
func (r *packetReceiver) bufferLocked() (buffer []byte, release func()) {
	if r.largest > bufferSize {
		return make([]byte, r.largest), func() {}
	}
	pooled := getBuffer()
	return pooled[:], func() { putBuffer(pooled) }
}

func (r *packetReceiver) startPumpLocked() {
	if r.background || r.failed != nil {
		return
	}
	r.workLocked(r.pump)
}

// pump reads ahead, for as long as the reader has not got everything.
func (r *packetReceiver) pump() {
	r.mu.Lock()
	defer r.mu.Unlock()
	buffer, release := r.bufferLocked()
	defer release()
	control := r.controlLocked()
	for !r.isEmptyLocked() && r.failed == nil && !r.closed {
		r.settleLocked()
		switch {
		case r.stalled, r.unread >= maxUnread:
			r.waitLocked(&r.work, never)
		case r.flight.size >= maxFlight:
			r.waitLocked(&r.work, r.flight.next())
		default:
			r.pumpOnceLocked(buffer, control)
		}
	}
	r.restLocked()
}

// pumpOnceLocked puts the next datagram into flight.
func (r *packetReceiver) pumpOnceLocked(buffer, control []byte) {
	r.mu.Unlock()
	d, err := receiveFrom(r.conn.inner, buffer, control)
	r.mu.Lock()
	if r.recalled && isTimeout(err) {
		return
	}
	for r.stalled && !r.closed {
		r.waitLocked(&r.work, never)
	}
	r.recalled = false // there is something again
	_ = r.syncLocked(false)
	if err != nil {
		r.failed = err
		return
	}
	r.launchLocked(d)
}

// recallLocked makes the pump come out of the inner connection.
func (r *packetReceiver) recallLocked() {
	if r.background {
		r.recalled = true
		_ = r.syncLocked(false)
		r.work.wake()
	}
}

// close makes later reads fail, and blocked ones after evict.
func (r *packetReceiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight.clear()
	r.arrived, r.unread = nil, 0
	r.closeLocked()
}
