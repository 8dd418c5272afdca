package capture

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// An exchange is a plausible exchange of segments on a connection. Its ends are the
// dialer and the listener.
type exchange struct {
	conn     trace.Conn
	ends     [2]end
	first    int // the side that is assumed to speak first, if the events do not tell the sides apart
	segments []segment
}

// An end is an end of an exchange.
type end struct {
	name     string        // of its host, as in events
	latency  time.Duration // the shortest travel time of anything that it has sent
	left     time.Duration // time at which it last sent payload, SYN or FIN
	next     int64         // the next sequence number that it sends
	received int64         // the offset after the last byte that arrived there
	finished bool          // it has sent its FIN
	lost     []*trace.Event
}

// A segment is a segment that an end sends.
type segment struct {
	side         int
	left, arrive time.Duration
	lost         bool
	flags        trace.Flags
	seq          int64
	length       int
	payload      string
	comment      string
}

const (
	dialer   = 0
	listener = 1
)

// synthesizeStream returns the packets of a connection, given its events in order of time.
func synthesizeStream(conn trace.Conn, events []*trace.Event, v *addressing) []packet {
	x := &exchange{conn: conn}
	x.findEnds(events)
	x.open(events)
	for _, e := range events {
		if over := x.add(e); over {
			break
		}
	}
	return x.packets(v)
}

// findEnds finds the ends, and the latencies between them. A connection that a wrapper
// accepted is named after the end that accepted it.
func (x *exchange) findEnds(events []*trace.Event) {
	named, other := dialer, listener
	for _, e := range events {
		if e.Kind == trace.Accept && e.To == x.conn.Host && e.From != x.conn.Host {
			named, other = listener, dialer
		}
	}
	x.ends[named].name, x.ends[other].name = x.conn.Host, x.conn.Host
	for _, e := range events {
		for _, name := range []string{e.From, e.To} {
			if name != "" && name != x.conn.Host {
				x.ends[other].name = name
			}
		}
	}
	x.guessFirst(events)
	for _, e := range events {
		if e.Kind != trace.Data {
			continue
		}
		end := &x.ends[x.side(e)]
		end.received = max(end.received, e.Offset+int64(e.Length))
		if e.Took > 0 && (end.latency == 0 || e.Took < end.latency) {
			end.latency = e.Took
		}
	}
	for side := range x.ends {
		if x.ends[side].latency == 0 {
			x.ends[side].latency = x.ends[1-side].latency
		}
	}
	x.ends[dialer].received, x.ends[listener].received = x.ends[listener].received, x.ends[dialer].received
}

// guessFirst guesses which end speaks first: the dialer if both ends speak, otherwise the
// listener.
func (x *exchange) guessFirst(events []*trace.Event) {
	x.first = listener
	next := int64(0)
	for _, e := range events {
		if e.Kind != trace.Data {
			continue
		}
		if e.Offset < next {
			x.first = dialer
			return
		}
		next = e.Offset + int64(e.Length)
	}
}

// side returns the end that sent the event's bytes. If both are on one host, the offsets
// decide.
func (x *exchange) side(e *trace.Event) int {
	switch {
	case x.ends[dialer].name != x.ends[listener].name:
		if e.From == x.ends[dialer].name {
			return dialer
		}
		return listener
	case e.Offset+1 == x.ends[1-x.first].next && e.Offset+1 != x.ends[x.first].next:
		return 1 - x.first
	}
	return x.first
}

// open adds the handshake, if there are events of it.
func (x *exchange) open(events []*trace.Event) {
	roundTrip := x.ends[dialer].latency + x.ends[listener].latency
	for _, e := range events {
		switch e.Kind {
		case trace.Connect:
			if e.Took > 0 {
				roundTrip = e.Took
			}
			x.handshake(e.At-roundTrip, e.At)
		case trace.Data:
			if e.Offset > 0 {
				x.begin(events)
				return
			}
			at := e.At - e.Took
			x.handshake(at-roundTrip, at)
		case trace.Reset:
			x.refuse(e, roundTrip)
		default:
			continue
		}
		return
	}
}

// begin prepares for a connection whose beginning is missing.
func (x *exchange) begin(events []*trace.Event) {
	for side := range x.ends {
		x.ends[side].next = 1
		for _, e := range events {
			if e.Kind == trace.Data && x.side(e) == side {
				x.ends[side].next = 1 + e.Offset
				break
			}
		}
	}
}

func (x *exchange) handshake(from, to time.Duration) {
	from = max(0, from)
	half := from + (to-from)/2
	x.send(segment{side: dialer, left: from, arrive: half, flags: trace.SYN})
	x.send(segment{side: listener, left: half, arrive: to, flags: trace.SYN | trace.ACK})
	x.segments = append(x.segments, segment{side: dialer, left: to, arrive: to + x.ends[dialer].latency, flags: trace.ACK})
	for side := range x.ends {
		x.ends[side].next, x.ends[side].left = 1, to
	}
}

// refuse adds the packets of a failed dial.
func (x *exchange) refuse(e *trace.Event, roundTrip time.Duration) {
	from := max(0, e.At-max(e.Took, roundTrip))
	refused := !strings.Contains(e.Note, "timed out")
	x.send(segment{side: dialer, left: from, arrive: from + (e.At-from)/2, flags: trace.SYN, lost: !refused})
	if refused {
		x.send(segment{side: listener, left: from + (e.At-from)/2, arrive: e.At, flags: trace.RST | trace.ACK})
	}
	for side := range x.ends {
		x.ends[side].finished = true
	}
}

// add adds the packets of an event, and reports whether it is the last one.
func (x *exchange) add(e *trace.Event) (over bool) {
	side := x.side(e)
	from := &x.ends[side]
	switch e.Kind {
	case trace.Data:
		x.data(e, side, false)
	case trace.Drop:
		from.lost = append(from.lost, e)
		if e.Offset >= x.ends[1-side].received {
			x.data(e, side, true)
		}
	case trace.Close:
		if !from.finished {
			from.finished = true
			x.send(segment{side: side, left: e.At - from.latency, arrive: e.At, flags: trace.FIN | trace.ACK, seq: from.next})
			x.acknowledge(1-side, e.At)
		}
	case trace.Reset:
		if len(x.segments) > 0 && !(x.ends[0].finished && x.ends[1].finished) && !strings.Contains(e.Note, "timed out") {
			x.send(segment{side: side, left: e.At - from.latency, arrive: e.At, flags: trace.RST | trace.ACK, seq: from.next})
		}
		return true
	}
	return false
}

// data adds the segments of a piece.
func (x *exchange) data(e *trace.Event, side int, lost bool) {
	from := &x.ends[side]
	seq, length, payload := 1+e.Offset, max(0, e.Length), payload(e)
	if seq < from.next && !lost { // it was already sent
		known := int(min(int64(length), from.next-seq))
		seq, length, payload = seq+int64(known), length-known, payload[min(known, len(payload)):]
	}
	for length > 0 {
		n := min(length, maxSegment)
		s := segment{
			side: side, left: e.At - e.Took, arrive: e.At, lost: lost, flags: trace.PSH | trace.ACK,
			seq: seq, length: n, payload: payload[:min(n, len(payload))], comment: from.why(seq-1, n, lost),
		}
		x.send(s)
		if !lost {
			x.acknowledge(1-side, e.At)
		}
		seq, length, payload = seq+int64(n), length-n, payload[min(n, len(payload)):]
	}
}

// why returns the comment on bytes whose packets were lost.
func (n *end) why(offset int64, length int, lost bool) string {
	n.lost = slices.DeleteFunc(n.lost, func(e *trace.Event) bool { return e.Offset+int64(e.Length) <= offset })
	for _, e := range n.lost {
		switch {
		case e.Offset >= offset+int64(length):
		case lost:
			return e.Note
		default:
			return "an earlier packet with these bytes was lost: " + e.Note
		}
	}
	return ""
}

// send adds a segment with payload, SYN, FIN or RST. It leaves no earlier than the
// segments before it.
func (x *exchange) send(s segment) {
	from := &x.ends[s.side]
	s.left = max(s.left, from.left)
	s.arrive = max(s.arrive, s.left)
	from.left = s.left
	from.next = max(from.next, s.seq+size(&s))
	x.segments = append(x.segments, s)
}

// size returns the number of sequence numbers that a segment occupies.
func size(s *segment) int64 {
	n := int64(s.length)
	if s.flags&(trace.SYN|trace.FIN) != 0 {
		n++
	}
	return n
}

// acknowledge adds an acknowledgment.
func (x *exchange) acknowledge(side int, at time.Duration) {
	x.segments = append(x.segments, segment{side: side, left: at, arrive: at + x.ends[side].latency, flags: trace.ACK})
}

// packets returns the packets, with their acknowledgments.
func (x *exchange) packets(v *addressing) []packet {
	slices.SortStableFunc(x.segments, func(a, b segment) int { return cmp.Compare(a.left, b.left) })
	type arrival struct {
		at  time.Duration
		end int64
	}
	var (
		next, ack [2]int64
		arriving  [2][]arrival // at the other end
		packets   []packet
	)
	dialed, listening := v.address(x.ends[dialer].name, portOf(x.conn)), v.address(x.ends[listener].name, listenerPort)
	if dialed.Addr().Is4() != listening.Addr().Is4() {
		return nil
	}
	for i := range x.segments {
		s := &x.segments[i]
		got := ack[s.side]
		for from := 1 - s.side; len(arriving[from]) > 0 && arriving[from][0].at <= s.left; arriving[from] = arriving[from][1:] {
			got = max(got, arriving[from][0].end)
		}
		if size(s) == 0 && s.flags == trace.ACK {
			if got == ack[s.side] {
				continue // already acknowledged
			}
			s.seq = next[s.side]
		}
		ack[s.side] = got
		end := s.seq + size(s)
		info := &trace.PacketInfo{Number: uint64(i), From: dialed, To: listening, Flags: s.flags, Seq: s.seq, Window: assumedWindow}
		if s.side == listener {
			info.From, info.To = listening, dialed
		}
		if s.flags&trace.ACK != 0 {
			info.Ack = got
		}
		if s.flags&trace.RST != 0 {
			info.Window = 0
		}
		p := packet{
			at: s.left, from: hostName(x.ends[s.side].name), to: hostName(x.ends[1-s.side].name), conn: x.conn,
			length: s.length, payload: s.payload, info: info, comment: s.comment,
		}
		next[s.side] = max(next[s.side], end)
		packets = append(packets, p)
		if !s.lost {
			arriving[s.side] = append(arriving[s.side], arrival{s.arrive, end})
			p.at, p.arrives = s.arrive, true
			packets = append(packets, p)
		}
	}
	return packets
}
