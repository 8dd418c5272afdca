package slownet

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A tcpStream is TCP for one direction of a Conn. The model moves sequence
// numbers, and the bytes lie here. It is guarded by the half's lock.
type tcpStream struct {
	*netem.Transfer
	data, acks pipe
	pieces     [][]byte      // that are not delivered, in order
	held       int           // bytes of them
	delivered  int64         // bytes
	paced      time.Duration // when the pace lets the next bytes go, by the stream's own time
	stood      time.Duration // for how long stalls have stopped that
	stopped    time.Duration // since when a stall does so now, or never
	starved    bool          // the writer waits for room
	ticking    bool          // a timer calls tick
	ending     bool          // the end of the stream is on its way, or waits for the pace
	pacesEnd   bool          // it waits for the pace
	failed     bool          // the sender has given up, or was reset
	discarded  bool          // what is on its way
	resetWaits bool          // for a stall to end
}

// usesTCP reports whether a connection with these links needs TCP: if nothing takes
// time, it makes no difference.
func usesTCP(tcp *netem.TCP, there, back *netem.Link) bool {
	return tcp != nil && !(there.ArrivesAtOnce() && back.ArrivesAtOnce())
}

// startTCPLocked begins to send over TCP, if that is how streams travel. It reports
// whether it is.
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

// newTCPLocked returns a stream of the half that has no Transfer yet.
func (h *streamHalf) newTCPLocked() *tcpStream {
	name := h.flow.Name()
	return &tcpStream{
		data:    pipe{h, &h.lane, netem.PacketID{Flow: name}},
		acks:    pipe{h, h.back, netem.PacketID{Flow: deriveSeed(name, 1)}},
		stopped: never,
	}
}

// beginTCPLocked begins to use the half's stream, which is established.
func (h *streamHalf) beginTCPLocked() {
	h.tcp.SetMTU(min(h.link.PacketSize(), h.back.link.PacketSize()))
	h.tcp.setEager(h.now(), h.direction == Write)
	h.tickLocked()
}

// stall stops the stream's own time, or lets it go on.
func (s *tcpStream) stall(now time.Duration, stalled bool) {
	switch isStopped := s.stopped != never; {
	case stalled && !isStopped:
		s.advance(now)
		s.stopped = now
	case !stalled && isStopped:
		s.stood += now - s.stopped
		s.stopped = never
	}
}

// own returns the stream's own time, which stands while a stall lasts: it is the
// model's.
func (s *tcpStream) own(now time.Duration) time.Duration {
	if s.stopped != never {
		now = s.stopped
	}
	return now - s.stood
}

// arrives notes when a segment arrives that has waited on its line.
func (s *tcpStream) arrives(at time.Duration, segment *netem.Segment, isData bool) {
	if s.stopped != never {
		at = min(at, s.stopped)
	}
	s.Arrive(at-s.stood, segment, isData)
}

// isIdealLocked reports whether the stream is ideal. After a change of links it is
// so again only when nothing is on its way over TCP.
func (h *streamHalf) isIdealLocked() bool {
	if h.back != nil && !h.background && !h.tcp.isBusy() && !h.tcp.isEnding() && !usesTCP(h.conn.tcp, h.link, h.back.link) {
		h.tcp, h.back = nil, nil
	}
	return h.back == nil
}

// setBack notes the lane of the other direction, over which acknowledgements travel.
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

// tickLocked sets a timer that handles due events if nobody else does, such as a
// delayed acknowledgement while nobody reads or writes. It must not be sent later,
// as others use the line in the meantime.
func (h *streamHalf) tickLocked() {
	mine, next := h.tcp, h.tcp.Next()
	if mine.ticking || mine.discarded || next == netem.Never {
		return
	}
	if h.endpoint.isReal {
		next = max(next, h.now()) + 4*maxDelay // whoever waits is earlier
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

// Next returns when something happens next, or [netem.Never].
func (s *tcpStream) Next() time.Duration {
	next := s.Transfer.Next()
	if s.pacesEnd {
		next = min(next, s.paced)
	}
	return timeline.Add(next, s.stood)
}

// setEager says whether the application takes bytes as they arrive.
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

// arrived returns how many bytes can be delivered.
func (s *tcpStream) arrived() int {
	if s.discarded {
		return 0
	}
	return int(s.Received() - s.delivered)
}

// isBusy reports whether bytes are on their way.
func (s *tcpStream) isBusy() bool { return s != nil && s.held > 0 }

// isEnding reports whether the stream was ended.
func (s *tcpStream) isEnding() bool { return s != nil && s.ending }

// finish sends the end of the stream, after the wait of the pace.
func (s *tcpStream) finish(now time.Duration) {
	s.ending = true
	now = s.own(now)
	if s.pacesEnd = s.paced > now; !s.pacesEnd {
		s.CloseWrite(now)
	}
}

// pacedUntil returns when the pace lets the next bytes go.
func (s *tcpStream) pacedUntil() time.Duration { return timeline.Add(s.paced, s.stood) }

// canWrite returns how many bytes may be written at the given time; if that is none,
// until when to wait.
func (s *tcpStream) canWrite(now time.Duration) (n int, until time.Duration) {
	if until = s.pacedUntil(); until > now {
		return 0, until
	}
	if n = s.Room(); n > 0 && (!s.starved || s.HasRoom()) {
		s.starved = false
		return n, 0
	}
	s.starved = true
	return 0, s.Next()
}

// write puts bytes on their way, which stay as they are.
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

// discard throws away what is on its way.
func (s *tcpStream) discard() {
	if s != nil {
		s.pieces, s.held, s.discarded = nil, 0, true
	}
}

// waitTCPLocked waits for a signal, or until something may have happened to the
// segments. In real time it waits a little longer, so that not every segment costs
// a wake-up: everything happens at its time nevertheless.
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

// maxDelay is by how much something may be told too late in real time.
const maxDelay = 500 * time.Microsecond

// writeTCPLocked accepts the first of the bytes and returns how many they are.
func (s *sender) writeTCPLocked(p []byte) int {
	n, _ := s.tcp.canWrite(s.now())
	n = min(n, len(p))
	if pace := s.link.Pace.Bytes; pace > 0 {
		n = min(n, pace)
	}
	s.traceLocked(trace.Send, s.passed, n, 0, "")
	s.tcp.write(s.now(), s.keepLocked(p[:n]), &s.link.Pace)
	s.passed += int64(n)
	s.startLocked(s.carry)
	s.tickLocked()
	return n
}

// nextTCPLocked returns when something happens next that moves bytes.
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

// landTCPLocked hands bytes that have arrived to the inner connection, as many as
// make a chunk.
func (s *sender) landTCPLocked() {
	buffer := getBuffer()
	defer putBuffer(buffer)
	s.tcp.setEager(s.now(), false)
	data := buffer[:s.tcp.take(s.now(), buffer[:chunk])]
	var err error
	for left := data; err == nil && len(left) > 0 && !s.aborted; {
		var n int
		s.enterLocked()
		s.mu.Unlock()
		n, err = s.conn.inner.Write(left)
		s.mu.Lock()
		s.traceDataLocked(left[:n])
		left = left[n:]
		s.delivered += int64(n)
		s.exitLocked()
	}
	if s.aborted || err != nil {
		s.discardLocked(err)
		return
	}
	s.tcp.advance(s.now())
	s.tcp.setEager(s.now(), true)
	s.tickLocked()
	s.changed.wake()
}

// giveUpLocked breaks the connection off, as TCP does when nothing is acknowledged, or
// when the answer is a reset: the peer has given the handshake up. The lock is released
// meanwhile.
func (h *streamHalf) giveUpLocked() {
	cause := syscall.ETIMEDOUT
	if h.tcp.Failure() == netem.Reset {
		cause = syscall.ECONNRESET
	}
	h.mu.Unlock()
	h.conn.breakOff(cause)
	h.mu.Lock()
}

// advanceLocked lets everything happen that is due.
func (r *receiver) advanceLocked() {
	r.tcp.advance(r.now())
	if r.ended && r.endAt == timeline.End && r.tcp.Ended() && !r.tcp.isBusy() {
		r.endAt = r.now()
	}
}

// awaitTCPLocked waits for bytes, or for the end of the stream, to arrive.
func (r *receiver) awaitTCPLocked() {
	r.tcp.setEager(r.now(), true)
	r.waitTCPLocked(&r.changed, r.tcp.Next())
	r.advanceLocked()
	r.tcp.setEager(r.now(), false)
}

// takeTCPLocked gives the reader what has arrived.
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

// launchTCPLocked sends what came out of the inner connection.
func (r *receiver) launchTCPLocked(p []byte, err error) {
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
	case isTimeout(err): // of this call only
		r.ended, r.end, r.endAt = true, err, now
	case err != nil:
		r.ended, r.end, r.endAt = true, err, r.sendEndLocked()
		if isReset(err) {
			r.conn.awaitReset()
		}
	}
}

// sendEndLocked puts the end of the stream on its way, and returns when it arrives,
// or the end of time if that is not known yet.
func (r *receiver) sendEndLocked() time.Duration {
	if !r.startTCPLocked() {
		return r.launchEndLocked(r.inbox)
	}
	r.tcp.finish(r.now())
	r.tickLocked()
	return timeline.End
}

// awaitRoomLocked waits, if there is no room for more from the inner connection, and
// reports whether it has.
func (r *receiver) awaitRoomLocked() (waited bool) {
	r.advanceLocked()
	n, until := r.tcp.canWrite(r.now())
	if n == 0 {
		r.waitTCPLocked(&r.work, until)
	}
	return n == 0
}

// awaitReset is seeReset for a reset that arrives after bytes on their way over
// TCP.
func (c *Conn) awaitReset() {
	if !c.in.reset.become(resetSeen) {
		return
	}
	c.pollReset()
}

// pollReset looks whether the peer's reset has arrived.
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
