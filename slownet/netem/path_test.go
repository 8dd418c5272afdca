package netem_test

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/heap"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A path carries segments between the two ends of a connection, and drives them.
type path struct {
	tcp     netem.TCP
	now     time.Duration
	ends    [2]*side
	flying  heap.Heap[segmentOnPath]
	count   int  // segments sent
	refuses bool // there is no listener
}

// A side is an end of a connection and the link that it sends on.
type side struct {
	end      *netem.End
	link     packetLine
	arrived  int64                                // bytes read by the application
	onArrive func(int)                            // called with the number of bytes, if not nil
	lazy     bool                                 // the application reads only when readAll is called
	drop     func(nth int, s *netem.Segment) bool // whether to drop the nth segment with payload
	lose     func(s *netem.Segment) bool          // whether to lose a segment
	nth      int
	sent     []sent
}

// A packetLine carries packets, as a netem.PacketFlow does.
type packetLine interface {
	Send(now time.Duration, n int) ([]netem.Packet, netem.Drop)
}

// twoLines are two lines in succession. On the second, packets never wait.
type twoLines struct{ first, second *netem.PacketFlow }

func (l twoLines) Send(now time.Duration, n int) ([]netem.Packet, netem.Drop) {
	packets, drop := l.first.Send(now, n)
	for i, packet := range packets {
		beyond, _ := l.second.Send(packet.Arrive, n)
		packets[i].Arrive = beyond[0].Arrive
	}
	return packets, drop
}

// A sent is a segment and the time at which it was sent.
type sent struct {
	at      time.Duration
	segment netem.Segment
}

// A segmentOnPath has been sent and has not arrived yet.
type segmentOnPath struct {
	at      time.Duration
	order   int
	to      int
	segment netem.Segment
}

// Before reports which of two segments arrives first.
func (s segmentOnPath) Before(other segmentOnPath) bool {
	return s.at < other.at || s.at == other.at && s.order < other.order
}

// Moved does nothing: no segment is removed.
func (segmentOnPath) Moved(int) {}

// dial begins to connect two ends over the links there and back.
func dial(tcp netem.TCP, there, back packetLine) *path {
	if tcp.KeepAlive == (netem.KeepAlive{}) {
		tcp.KeepAlive.Idle = -1 // so that the path becomes idle
	}
	p := &path{tcp: tcp}
	p.ends[0] = &side{end: netem.Dial(tcp, 0), link: there}
	p.ends[1] = &side{link: back}
	p.send(0)
	return p
}

// newPath connects two ends over the links there and back.
func newPath(tcp netem.TCP, there, back packetLine) *path {
	p := dial(tcp, there, back)
	for p.ends[0].end.State() != netem.Established {
		if !p.step() {
			panic("cannot connect")
		}
	}
	return p
}

// write makes an application write.
func (p *path) write(side, n int) {
	p.ends[side].end.Write(p.now, n)
	p.send(side)
}

// send sends everything that an end has to send.
func (p *path) send(from int) {
	s := p.ends[from]
	for {
		segment, ok := s.end.Output(p.now)
		if !ok {
			return
		}
		s.sent = append(s.sent, sent{p.now, segment})
		if segment.Len > 0 {
			s.nth++
			if s.drop != nil && s.drop(s.nth-1, &segment) {
				continue
			}
		}
		if s.lose == nil || !s.lose(&segment) {
			p.carry(from, segment)
		}
	}
}

// carry sends a segment over its link.
func (p *path) carry(from int, segment netem.Segment) {
	packets, _ := p.ends[from].link.Send(p.now, segment.Size())
	for _, packet := range packets {
		if packet.Flip < 0 {
			p.count++
			p.flying.Push(segmentOnPath{packet.Arrive, p.count, 1 - from, segment})
		}
	}
}

// step handles the next event, and reports whether there was one.
func (p *path) step() bool {
	at := netem.Never
	for _, side := range p.ends {
		if side.end != nil {
			at = min(at, side.end.Next())
		}
	}
	if len(p.flying) > 0 && p.flying[0].at <= at {
		next := p.flying.Pop()
		p.now = next.at
		p.arrive(next.to, &next.segment)
		return true
	}
	if at == netem.Never {
		return false
	}
	p.now = max(p.now, at)
	for i, side := range p.ends {
		if side.end != nil && side.end.Next() <= p.now {
			side.end.Expire(p.now)
			p.send(i)
		}
	}
	return true
}

// arrive passes a segment to an end, whose application reads at once.
func (p *path) arrive(at int, segment *netem.Segment) {
	s := p.ends[at]
	switch {
	case s.end != nil && s.end.State() != netem.Closed:
		s.end.Input(p.now, segment)
	case segment.Flags&netem.RST != 0:
		return
	case p.refuses || segment.Flags != netem.SYN:
		p.carry(at, netem.Refuse(segment))
		return
	default:
		s.end = netem.Accept(p.tcp, p.now, segment)
	}
	if !s.lazy {
		p.read(at)
	}
	p.send(at)
}

// read makes an application read all bytes that have arrived.
func (p *path) read(at int) {
	s := p.ends[at]
	n := int(s.end.Unread())
	if n == 0 {
		return
	}
	s.arrived += int64(n)
	s.end.Read(p.now, n)
	p.send(at)
	if s.onArrive != nil {
		s.onArrive(n)
	}
}

// readAll makes both applications read all bytes that have arrived.
func (p *path) readAll() {
	for i, side := range p.ends {
		if side.end != nil {
			p.read(i)
		}
	}
}

// closeWrite makes an application end its direction.
func (p *path) closeWrite(side int) {
	p.ends[side].end.CloseWrite()
	p.send(side)
}
