package simtest

import (
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// segments holds the segments in flight. They are in one slice, for reuse, and events
// refer to them by index.
type segments struct {
	all  []flying
	sack [][3]netem.Block // selective acknowledgements by segment; shorter than all if the last ones have none
	free int32            // the first free one, or none
}

// A flying segment is a netem.Segment that fits in a cache line, without its selective
// acknowledgements. It links to the next one in its train, in lazyAcks, or in the list
// of free ones.
type flying struct {
	at           time.Duration // arrival time, in lazyAcks
	seq, ack     int64
	window       int
	tsVal, tsEcr time.Duration
	tag          uint32
	len          int32
	next         int32
	flags        netem.Flags
	sacks        uint8
}

// A train is the segments of one direction that arrive at one instant, in one event.
type train struct {
	at   time.Duration
	last int32 // segment, or none
	hold int32 // the hold of its route, see holdsNow
}

func (s *segments) put(segment *netem.Segment) int32 {
	i := s.free
	if i == none {
		i = int32(len(s.all))
		s.all = append(s.all, flying{})
	} else {
		s.free = s.all[i].next
	}
	f := &s.all[i]
	f.seq, f.len, f.ack, f.window = segment.Seq, int32(segment.Len), segment.Ack, segment.Window
	f.tsVal, f.tsEcr = segment.TSVal, segment.TSEcr
	f.tag, f.flags, f.sacks, f.next = segment.Tag, segment.Flags, uint8(segment.SACKs), none
	if segment.SACKs > 0 {
		for len(s.sack) <= int(i) {
			s.sack = append(s.sack, [3]netem.Block{})
		}
		s.sack[i] = segment.SACK
	}
	return i
}

// take removes a segment and stores it in to. If it has no selective acknowledgements,
// to.SACK is left as it was.
func (s *segments) take(i int32, to *netem.Segment) {
	f := &s.all[i]
	to.Seq, to.Len, to.Ack, to.Window = f.seq, int(f.len), f.ack, f.window
	to.TSVal, to.TSEcr = f.tsVal, f.tsEcr
	to.Tag, to.Flags, to.SACKs = f.tag, f.flags, int(f.sacks)
	if f.sacks > 0 {
		to.SACK = s.sack[i]
	}
	s.drop(i)
}

// drop frees a segment.
func (s *segments) drop(i int32) { s.all[i].next, s.free = s.free, i }

// transmitLoop sends a segment.
func (c *conn) transmitLoop(segment *netem.Segment) {
	s := c.sim
	if segment.Flags == netem.SYN {
		c.tcp.attempt.requests++
	}
	c.tcp.sent++ // in any case, so that the draws of other segments do not change
	if s.trace.packets {
		c.leavesLoop(segment)
	}
	switch {
	case (c.route.blocked || len(c.far.rules) > 0) && c.isStoppedLoop(segment):
	case c.crosses():
		c.crossLoop(segment)
	case c.route.isClear:
		c.flyLoop(timeline.Add(s.instant, c.route.link.Latency), segment)
	default:
		c.crossLinkLoop(segment)
	}
}

// isStoppedLoop loses a segment if a partition or a black hole stops it, and reports whether
// one did.
func (c *conn) isStoppedLoop(segment *netem.Segment) bool {
	isRequest := segment.Flags == netem.SYN
	switch {
	case c.route.blocked:
		c.lostLoop(segment, "partition")
	case len(c.far.rules) > 0 && c.far.blackholesLocked(c.peer.packetLocked(isRequest)):
		c.lostLoop(segment, "black hole")
		if segment.Flags&netem.SYN != 0 {
			c.blackholedLoop(isRequest)
		}
	default:
		return false
	}
	return true
}

// crossLinkLoop sends a segment over a link that does more than delay it.
func (c *conn) crossLinkLoop(segment *netem.Segment) {
	s := c.sim
	id := netem.PacketID{Flow: c.flowName(), Number: c.tcp.sent}
	var tag any
	if c.route.waits() {
		tag = c.queuedLoop(*segment)
	}
	fate := c.route.line.Send(s.instant, c.sizeLoop(segment, &c.route.hop), id, tag)
	if tag != nil {
		s.stepLoop(&c.route.hop)
	}
	if fate.Drop != netem.NotDropped && fate.Drop != netem.Queued {
		c.lostLoop(segment, fate.Drop.String())
	}
	for i := range fate.Count {
		c.leaveLoop(&fate.Packets[i], segment)
	}
}

// flowName returns a number for this direction of the connection that is unique on the
// link.
func (c *conn) flowName() uint64 {
	return mix64.Mix(mix64.Mix(uint64(c.dialHost().number), c.number), uint64(c.side))
}

// leaveLoop schedules the arrival of a segment that has left the link. A corrupted one
// is dropped because of its checksum.
func (c *conn) leaveLoop(packet *netem.Packet, segment *netem.Segment) {
	if packet.Flip >= 0 {
		c.lostLoop(segment, "corrupted")
		return
	}
	c.flyLoop(packet.Arrive, segment)
}

// queuedLoop returns the tag of a segment that may wait in a queue.
func (c *conn) queuedLoop(segment netem.Segment) *queued {
	return &queued{
		arrives: func(packet netem.Packet) { c.leaveLoop(&packet, &segment) },
		dropped: func(why netem.Drop) { c.lostLoop(&segment, why.String()) },
	}
}

// sizeLoop returns the size of a segment's packet at a hop. A segment that exceeds the
// MTU of a link that has changed counts as a packet of the largest size that the link
// carries; later segments are smaller.
func (c *conn) sizeLoop(segment *netem.Segment, h *hop) int {
	size, largest := segment.Size(), h.link.PacketSize()
	if size <= largest {
		return size
	}
	c.tcp.end.SetMTU(c.mtu())
	return largest
}

// blackholedLoop informs the attempt that a rule has dropped its SYN, or the answer.
func (c *conn) blackholedLoop(isRequest bool) {
	if isRequest {
		c.tcp.attempt.blackholedLocked(c.peer, true)
	} else if a := c.peer.tcp.attempt; a != nil {
		a.blackholedLocked(c.peer, false)
	}
}

// flyLoop schedules the arrival of a segment that is sent now.
func (c *conn) flyLoop(at time.Duration, segment *netem.Segment) {
	if q := &c.tcp.pair.lazy; q.on && (isPureACK(segment) || q.passing) && !c.follows(at, c.route.holdsNow()) {
		q.acks[1-c.side].push(&c.sim.segments, at, c.sim.segments.put(segment)) // a retransmission makes no difference
		q.dueLoop(at)
		return
	}
	c.arriveLaterLoop(at, segment, c.route.holdsNow())
}

// arriveLaterLoop schedules the arrival of a segment that was sent when holdsNow
// returned hold.
func (c *conn) arriveLaterLoop(at time.Duration, segment *netem.Segment, hold int32) {
	s, t := c.sim, &c.tcp.pair.train[c.side]
	i := s.segments.put(segment)
	switch {
	case c.follows(at, hold): // even if it is an acknowledgement
		s.segments.all[t.last].next = i
		t.last = i
	case isPureACK(segment):
		s.travelInnerLocked(c.route, hold, at, &event{what: segmentsArriving, conn: c.peer, host: c.far, n: int(i)})
	default:
		*t = train{at, i, hold}
		e := &event{what: segmentsArriving, conn: c.peer, host: c.far, n: int(i), line: &c.line}
		if c.route.held {
			s.travelSinceLocked(c.route, hold, at, e)
		} else {
			s.scheduleLocked(at, e)
		}
	}
}

// follows reports whether a segment belongs to the train that was scheduled last.
func (c *conn) follows(at time.Duration, hold int32) bool {
	t := &c.tcp.pair.train[c.side]
	return t.last != none && t.at == at && t.hold == hold
}

// isPureACK reports whether a segment is a pure acknowledgement, which is not visible
// to users.
func isPureACK(segment *netem.Segment) bool { return segment.Len == 0 && segment.Flags == netem.ACK }

// isPureACK reports whether it is a pure acknowledgement. No train begins with one.
func (f *flying) isPureACK() bool { return f.len == 0 && f.flags == netem.ACK }

// lostLoop records that a segment is lost, unless it is not visible to users.
func (c *conn) lostLoop(segment *netem.Segment, why string) { c.droppedLoop(segment, 0, why) }

// droppedLoop is lostLoop for a segment whose bytes have the given hash.
func (c *conn) droppedLoop(segment *netem.Segment, hash uint32, why string) {
	if segment.Len > 0 || segment.Flags&^netem.ACK != 0 {
		c.sim.recordLocked(&trace.Event{Kind: trace.Drop, From: c.host.name, To: c.far.name, Conn: c.id(), Offset: max(0, segment.Seq), Length: segment.Len, Hash: hash, Note: why, Packet: c.lostPacket(segment)})
	}
	c.troubleLoop()
}

// arriveLoop handles the arrival of a train of segments, starting with first.
func (c *conn) arriveLoop(first int32) {
	s := c.sim
	if t := &c.tcp.pair.train[1-c.side]; t.at <= s.instant && !s.segments.all[first].isPureACK() {
		t.last = none
	}
	c.catchUpLoop()
	segment := &s.incoming
	for i := first; i != none; {
		next := s.segments.all[i].next
		s.segments.take(i, segment)
		c.inputLoop(segment)
		i = next
	}
	if c.host.down {
		return
	}
	c.afterLoop()
	c.outputLoop()
}

// inputLoop processes a segment that has arrived at the host.
func (c *conn) inputLoop(segment *netem.Segment) {
	m := c.tcp
	gone := c.hasCrashedLocked() || c.isAbandonedOpening()
	if c.sim.trace.packets && !c.host.down {
		c.arrivesLoop(segment)
	}
	switch {
	case c.host.down || gone || m.end.State() == netem.Closed || m.end.IsStale(segment):
		c.inputUnknownLoop(segment)
	case c.takesNoMore(segment):
		c.refuseDataLoop(segment)
	default:
		m.took = c.sim.instant - segment.TSVal
		m.end.Input(c.sim.instant, segment)
		if m.opening {
			c.noteOpeningLoop()
		}
	}
}

// inputUnknownLoop processes a segment that no connection of the host takes, or whose host
// is down.
func (c *conn) inputUnknownLoop(segment *netem.Segment) {
	switch {
	case c.host.down:
		c.peer.lostLoop(segment, "host is down")
	case segment.Flags == netem.SYN:
		c.requestedLoop(segment)
	case segment.Flags&netem.RST == 0:
		if segment.Len > 0 {
			c.peer.droppedLoop(segment, c.hashOf(segment), c.endedWhy())
		}
		refusal := netem.Refuse(segment)
		c.transmitLoop(&refusal)
	}
}

// takesNoMore reports whether a segment contains bytes that can no longer be read.
func (c *conn) takesNoMore(segment *netem.Segment) bool {
	return segment.Len > 0 && c.isShut() &&
		segment.Seq+int64(segment.Len) > c.tcp.end.Received() && !c.tcp.opening
}

// refuseDataLoop answers a segment that takesNoMore rejects with a reset.
func (c *conn) refuseDataLoop(segment *netem.Segment) {
	c.peer.droppedLoop(segment, c.hashOf(segment), c.endedWhy())
	c.abortLoop()
	if c.isClosed() {
		c.forget()
		return
	}
	c.failLoop(syscall.ECONNRESET)
}

// endedWhy says why the end takes no bytes.
func (c *conn) endedWhy() string {
	switch {
	case c.isClosed():
		return "connection is closed"
	case c.isForgotten(), c.tcp.opening:
		return "connection was reset"
	}
	return "connection is shut down"
}

// hashOf returns the hash of a segment's bytes that are still in the stream, because
// they have not been read.
func (c *conn) hashOf(segment *netem.Segment) uint32 {
	start := c.tcp.end.Received() - int64(c.unread+c.dropped)
	from := max(segment.Seq, start)
	n := min(segment.Seq+int64(segment.Len), start+int64(c.stream.size)) - from
	if n <= 0 {
		return 0
	}
	return c.stream.hash(int(from-start), int(n))
}

// requestedLoop handles a SYN: a listener answers it, or a reset does.
func (c *conn) requestedLoop(syn *netem.Segment) {
	m, h := c.tcp, c.host
	dialled := c.peer.remote.AddrPort
	l := h.listenerLocked(dialled)
	switch {
	case l == nil, h.refusesLocked(c.packetLocked(true)):
		if a := c.peer.tcp.attempt; a != nil {
			m.elsewhere = a.listensElsewhereLocked(h, l == nil)
		}
		refusal := netem.Refuse(syn)
		c.transmitLoop(&refusal)
	case l.isFullLocked(): // the SYN is dropped
	default:
		if c.network == "" && c.isForgotten() { // an earlier answer to this dial was given up
			c.state = netem.Established
		}
		m.listener, m.opening = l, true
		m.end.InitAccept(*m.tcp, c.sim.instant, syn)
		c.noteLinksLoop()
	}
}
