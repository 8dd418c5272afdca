package slownet

import (
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// On a line whose queue has a discipline, the fate of a waiting packet depends on
// packets that are sent later. The line's timer informs the senders as soon as a fate is
// decided.

// A waitingPacket is the line's tag for a packet that waits. Its method is called
// with no lock held.
type waitingPacket interface{ departed(netem.Departure) }

// A lineTimer is the timer of a line on which packets wait.
type lineTimer struct {
	timer *clock.Timer
	at    time.Duration
}

// armLocked sets the timer for the time at which the line's next packet departs.
func (l *line) armLocked(e *endpoint) {
	next := l.inner.Next()
	switch {
	case next == netem.Never, l.timer != nil && l.timer.at <= next:
		return
	case l.timer != nil:
		l.timer.timer.Stop()
	}
	l.timer = &lineTimer{at: next}
	timer := l.timer
	timer.timer = e.at(next, func() { l.step(e, timer) })
}

// step informs the senders of packets that have left the queue or were dropped.
func (l *line) step(e *endpoint, mine *lineTimer) {
	var departures []netem.Departure
	l.mu.Lock()
	if l.timer == mine {
		l.timer = nil
		for {
			d, ok := l.inner.Step(e.now())
			if !ok {
				break
			}
			departures = append(departures, d)
		}
		l.armLocked(e)
	}
	l.mu.Unlock()
	for _, d := range departures {
		d.Tag.(waitingPacket).departed(d)
	}
}

// A queuedDatagram is a datagram that waits on a line.
type queuedDatagram struct {
	datagram
	on queuedOn
}

// A queuedOn is the half of the PacketConn that sent the datagram.
type queuedOn interface {
	departedLocked(datagram, netem.Departure)
	common() *packetHalf
}

func (q *queuedDatagram) departed(d netem.Departure) {
	h := q.on.common()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.queued--; d.Drop != netem.NotDropped {
		h.traceLocked(trace.Drop, q.datagram, 0, d.Drop.String())
	}
	q.on.departedLocked(q.datagram, d)
}

// departedLocked puts a datagram that has left the line's queue into flight.
func (s *packetSender) departedLocked(d datagram, departure netem.Departure) {
	if departure.Drop == netem.NotDropped && !s.aborted {
		s.flight.push(d.as(departure.Packet))
	}
	s.work.wake()
	s.unparkLocked()
}

// departedLocked puts a received datagram that has left the line's queue into flight.
func (r *packetReceiver) departedLocked(d datagram, departure netem.Departure) {
	if departure.Drop == netem.NotDropped && !r.closed {
		r.flight.push(d.as(departure.Packet))
	}
	r.changed.wake()
}

// A queuedSegment is a segment that waits on a line.
type queuedSegment struct {
	netem.Segment
	half   *streamHalf
	stream *tcpStream
	isData bool
}

func (q *queuedSegment) departed(d netem.Departure) {
	h := q.half
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.Drop == netem.NotDropped {
		q.stream.arrives(d.Arrive, &q.Segment, q.isData)
	} else if q.isData {
		h.traceLostLocked(&q.Segment, d.Drop.String())
	}
	h.changed.wake()
	h.work.wake()
	h.unparkLocked()
}
