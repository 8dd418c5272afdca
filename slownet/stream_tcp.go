package slownet

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A tcpStream is TCP for one direction of a Conn. The model moves sequence
// numbers; the bytes themselves are kept here. It is guarded by the half's
// lock.
type tcpStream struct {
	*netem.Transfer
	data, acks   pipe
	pieces       [][]byte      // not delivered yet, in order
	held         int           // bytes in pieces
	delivered    int64         // number of bytes delivered
	paced        time.Duration // time at which Link.Pace admits the next bytes, on the stream's own clock
	stallTime    time.Duration // total time of past stalls, during which the stream's own clock stood still
	stalledSince time.Duration // start of the current stall, or never
	awaitsRoom   bool          // the writer waits for room
	ticking      bool          // the timer of tickLocked is set
	ending       bool          // the end of the stream is in flight, or waits for the pace
	pacesEnd     bool          // the end waits for the pace
	failed       bool          // the sender has given up, or was reset
	discarded    bool          // the bytes in flight were discarded
	resetWaits   bool          // the peer's reset waits for a stall to end
}

// usesTCP reports whether a connection with these links needs TCP. If nothing takes
// time, TCP makes no difference.
func usesTCP(tcp *netem.TCP, there, back *netem.Link) bool {
	return tcp != nil && !(there.ArrivesAtOnce() && back.ArrivesAtOnce())
}

// startTCPLocked starts TCP if the stream uses it, and reports whether it does.
func (h *streamHalf) startTCPLocked() bool {
	switch {
	case h.isIdealLocked():
		return false
	case h.tcp != nil:
		return true
	}
	s, now := h.newTCPLocked(), h.now()
	roundTrip := h.conn.roundTrip
	if roundTrip == 0 {
		roundTrip = timeline.Add(h.link.Latency, h.back.link.Latency)
	}
	s.Transfer = netem.NewTransfer(*h.conn.tcp, now, roundTrip, &s.data, &s.acks)
	h.tcp = s
	h.beginTCPLocked()
	if h.stalled {
		s.stall(now, true)
	}
	return true
}

// newTCPLocked returns a stream for the half, without a Transfer.
func (h *streamHalf) newTCPLocked() *tcpStream {
	name := h.flow.Name()
	return &tcpStream{
		data:         pipe{h, &h.lane, netem.PacketID{Flow: name}},
		acks:         pipe{h, h.back, netem.PacketID{Flow: deriveSeed(name, 1)}},
		stalledSince: never,
	}
}

// beginTCPLocked begins to use the half's stream, which must be established.
func (h *streamHalf) beginTCPLocked() {
	h.tcp.SetMTU(min(h.link.PacketSize(), h.back.link.PacketSize()))
	h.tcp.setEager(h.now(), h.direction == Write)
	h.tickLocked()
}

// stall stops or restarts the stream's own clock.
func (s *tcpStream) stall(now time.Duration, stalled bool) {
	switch isStopped := s.stalledSince != never; {
	case stalled && !isStopped:
		s.advance(now)
		s.stalledSince = now
	case !stalled && isStopped:
		s.stallTime += now - s.stalledSince
		s.stalledSince = never
	}
}

// own returns the time of the stream's own clock, which is the time in the model. The
// clock stands still during a stall.
func (s *tcpStream) own(now time.Duration) time.Duration {
	if s.stalledSince != never {
		now = s.stalledSince
	}
	return now - s.stallTime
}

// arrives records the arrival time of a segment that waited on its line.
func (s *tcpStream) arrives(at time.Duration, segment *netem.Segment, isData bool) {
	if s.stalledSince != never {
		at = min(at, s.stalledSince)
	}
	s.Arrive(at-s.stallTime, segment, isData)
}

// isIdealLocked reports whether the stream is ideal. After a change of links, a
// stream becomes ideal when nothing is in flight over TCP.
func (h *streamHalf) isIdealLocked() bool {
	if h.back != nil && !h.background && !h.tcp.isBusy() && !h.tcp.isEnding() && !usesTCP(h.conn.tcp, h.link, h.back.link) {
		h.tcp, h.back = nil, nil
	}
	return h.back == nil
}

// setBack sets the lane of the other direction, which carries the acknowledgements.
func (h *streamHalf) setBack(back lane) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case usesTCP(h.conn.tcp, h.link, back.link) && h.back == nil:
		h.back = &back
		h.gate.shut()
	case h.back != nil:
		*h.back = back
	}
	if h.tcp != nil {
		h.tcp.SetMTU(min(h.link.PacketSize(), back.link.PacketSize()))
	}
}

// tickLocked sets a timer that handles due events when no goroutine does, such as
// a delayed acknowledgement while no call reads or writes. Such an event must not
// be late, since other connections use the line, too.
func (h *streamHalf) tickLocked() {
	mine, next := h.tcp, h.tcp.Next()
	if mine.ticking || mine.discarded || next == netem.Never {
		return
	}
	if h.endpoint.isReal {
		next = max(next, h.now()) + 4*maxDelay // so that a waiting goroutine handles the event first
	}
	mine.ticking = true
	h.endpoint.at(next, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		mine.ticking = false
		if h.tcp == mine && !h.stalled && !(h.closed && !h.background) {
			h.tcp.advance(h.now())
			h.changed.wake()
			h.work.wake()
			h.tickLocked()
		}
	})
}

// Next returns the time of the next event, or [netem.Never].
func (s *tcpStream) Next() time.Duration {
	next := s.Transfer.Next()
	if s.pacesEnd {
		next = min(next, s.paced)
	}
	return timeline.Add(next, s.stallTime)
}

// setEager sets whether the application in the model reads bytes as soon as they arrive.
func (s *tcpStream) setEager(now time.Duration, eager bool) { s.SetEager(s.own(now), eager) }

// advance handles all events that are due.
func (s *tcpStream) advance(now time.Duration) {
	now = s.own(now)
	if s.pacesEnd && s.paced <= now {
		s.pacesEnd = false
		s.Advance(s.paced)
		s.CloseWrite(s.paced)
	}
	s.Advance(now)
	s.failed = s.Failure() != netem.NotFailed
}

// arrived returns the number of bytes that can be delivered.
func (s *tcpStream) arrived() int {
	if s.discarded {
		return 0
	}
	return int(s.Received() - s.delivered)
}

// isBusy reports whether bytes are in flight or not yet delivered.
func (s *tcpStream) isBusy() bool { return s != nil && s.held > 0 }

// isEnding reports whether the stream was ended.
func (s *tcpStream) isEnding() bool { return s != nil && s.ending }

// finish sends the end of the stream as soon as the pace admits it.
func (s *tcpStream) finish(now time.Duration) {
	s.ending = true
	now = s.own(now)
	if s.pacesEnd = s.paced > now; !s.pacesEnd {
		s.CloseWrite(now)
	}
}

// pacedUntil returns the time at which the pace admits the next bytes.
func (s *tcpStream) pacedUntil() time.Duration { return timeline.Add(s.paced, s.stallTime) }

// canWrite returns the number of bytes that can be written at the given time. If that
// is 0, it returns the time until which to wait.
func (s *tcpStream) canWrite(now time.Duration) (n int, until time.Duration) {
	if until = s.pacedUntil(); until > now {
		return 0, until
	}
	if n = s.Room(); n > 0 && (!s.awaitsRoom || s.HasRoom()) {
		s.awaitsRoom = false
		return n, 0
	}
	s.awaitsRoom = true
	return 0, s.Next()
}

// write sends bytes. The caller must not change them afterwards.
func (s *tcpStream) write(now time.Duration, p []byte, pace *netem.Pace) {
	s.pieces = append(s.pieces, p)
	s.held += len(p)
	now = s.own(now)
	if pace.Wait > 0 {
		s.paced = timeline.Add(now, pace.Wait)
	}
	s.Write(now, len(p))
}

// take moves bytes that have arrived into p.
func (s *tcpStream) take(now time.Duration, p []byte) (n int) {
	p = p[:min(len(p), s.arrived())]
	for n < len(p) {
		copied := copy(p[n:], s.pieces[0])
		n += copied
		if s.pieces[0] = s.pieces[0][copied:]; len(s.pieces[0]) == 0 {
			s.pieces[0] = nil
			s.pieces = s.pieces[1:]
		}
	}
	s.held -= n
	s.delivered += int64(n)
	if s.held == 0 {
		s.pieces = nil
	}
	s.Take(s.own(now), s.delivered)
	return n
}

// discard discards the bytes in flight.
func (s *tcpStream) discard() {
	if s != nil {
		s.pieces, s.held, s.discarded = nil, 0, true
	}
}

// waitTCPLocked waits for a signal, or until the time of TCP's next event. In real
// time it waits a little longer, so that not every segment costs a wake-up. Events
// keep their exact times nevertheless.
func (h *streamHalf) waitTCPLocked(on *signal, until time.Duration) {
	if until == netem.Never {
		h.waitLocked(on, never)
		return
	}
	if h.endpoint.isReal {
		until = max(until, h.now()+maxDelay)
	}
	h.waitLocked(on, until)
}

// maxDelay is the real time by which handling an event may be delayed.
const maxDelay = 500 * time.Microsecond

// writeTCPLocked accepts bytes from the front of p, and returns their number.
func (s *sender) writeTCPLocked(p []byte) int {
	n, _ := s.tcp.canWrite(s.now())
	n = min(n, len(p))
	if pace := s.link.Pace.Bytes; pace > 0 {
		n = min(n, pace)
	}
	s.traceLocked(trace.Send, s.passed, n, 0, "")
	s.tcp.write(s.now(), s.keepLocked(p[:n]), &s.link.Pace)
	s.passed += int64(n)
	s.startLocked(s.deliver)
	s.tickLocked()
	return n
}

// nextTCPLocked returns the time of the next event that moves bytes.
func (s *sender) nextTCPLocked() time.Duration {
	if s.within || !s.tcp.isBusy() && s.end != endOnItsWay {
		return 0
	}
	next := s.tcp.Next()
	if next == netem.Never {
		return never
	}
	if s.endpoint.isReal {
		next = max(next, s.now()+maxDelay)
	}
	return next
}

// deliverTCPLocked writes bytes that have arrived to the inner connection, at
// most a chunk.
func (s *sender) deliverTCPLocked() {
	buffer := getBuffer()
	defer putBuffer(buffer)
	s.tcp.setEager(s.now(), false)
	if !s.deliverAllLocked(buffer[:s.tcp.take(s.now(), buffer[:chunk])]) {
		return
	}
	s.tcp.advance(s.now())
	s.tcp.setEager(s.now(), true)
	s.tickLocked()
	s.changed.wake()
}

// giveUpLocked resets the connection: either TCP has timed out because nothing was
// acknowledged, or it has met a reset because the peer gave up the handshake. The lock
// is released meanwhile.
func (h *streamHalf) giveUpLocked() {
	cause := syscall.ETIMEDOUT
	if h.tcp.Failure() == netem.Reset {
		cause = syscall.ECONNRESET
	}
	h.mu.Unlock()
	h.conn.breakOff(cause)
	h.mu.Lock()
}

// advanceLocked handles all events that are due.
func (r *receiver) advanceLocked() {
	r.tcp.advance(r.now())
	if r.ended && r.endAt == timeline.End && r.tcp.Ended() && !r.tcp.isBusy() {
		r.endAt = r.now()
	}
}

// awaitTCPLocked waits for the next event, such as the arrival of bytes or of the end of
// the stream.
func (r *receiver) awaitTCPLocked() {
	r.tcp.setEager(r.now(), true)
	r.waitTCPLocked(&r.changed, r.tcp.Next())
	r.advanceLocked()
	r.tcp.setEager(r.now(), false)
}

// takeTCPLocked moves bytes that have arrived to the reader.
func (r *receiver) takeTCPLocked(p []byte) int {
	n := r.tcp.take(r.now(), r.allowance.cut(p))
	r.size -= n
	r.deliveredLocked(p[:n])
	r.allowance.spend(n)
	r.tickLocked()
	if !r.tcp.isBusy() {
		r.recallLocked()
	}
	r.work.wake()
	return n
}

// transmitTCPLocked sends bytes that were read from the inner connection.
func (r *receiver) transmitTCPLocked(p []byte, err error) {
	now := r.now()
	r.tcp.advance(now)
	if len(p) > 0 {
		r.traceLocked(trace.Send, r.passed, len(p), 0, "")
		r.tcp.write(now, append([]byte(nil), p...), &r.link.Pace)
		r.size += len(p)
		r.passed += int64(len(p))
	}
	r.tickLocked()
	switch {
	case isTimeout(err): // concerns this call only
		r.ended, r.end, r.endAt = true, err, now
	case err != nil:
		r.ended, r.end, r.endAt = true, err, r.sendEndLocked()
		if isReset(err) {
			r.conn.awaitReset()
		}
	}
}

// sendEndLocked sends the end of the stream, and returns its arrival time, or the
// end of time if that is not known yet.
func (r *receiver) sendEndLocked() time.Duration {
	if !r.startTCPLocked() {
		return r.transmitEndLocked(r.inbox)
	}
	r.tcp.finish(r.now())
	r.tickLocked()
	return timeline.End
}

// awaitRoomLocked waits if there is no room for more bytes from the inner
// connection, and reports whether it has waited.
func (r *receiver) awaitRoomLocked() (waited bool) {
	r.advanceLocked()
	n, until := r.tcp.canWrite(r.now())
	if n == 0 {
		r.waitTCPLocked(&r.work, until)
	}
	return n == 0
}

// awaitReset is seeReset for a reset that arrives after bytes in flight over
// TCP.
func (c *Conn) awaitReset() {
	if !c.in.reset.become(resetSeen) {
		return
	}
	c.pollReset()
}

// pollReset checks whether the peer's reset has arrived, and checks again at the next
// event if it has not.
func (c *Conn) pollReset() {
	r := &c.in
	r.advanceLocked()
	switch {
	case r.tcp.Ended():
	case r.stalled:
		r.tcp.resetWaits = true
		return
	default:
		c.at(max(r.tcp.Next(), r.now()), func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if !r.closed && r.err == nil {
				c.pollReset()
			}
		})
		return
	}
	if !r.busy {
		go c.arriveReset()
	}
}
