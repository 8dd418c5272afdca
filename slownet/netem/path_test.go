package netem_test

import (
	"container/heap"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A path carries segments between the two ends of a connection, and drives them.
type path struct {
	now     time.Duration
	ends    [2]*side
	flying  flight
	count   int // segments sent
	maximum int // if not 0, run stops there
}

// A side is an end of a connection and the link that it sends on.
type side struct {
	end      *netem.End
	link     *slownet.PacketFlow
	arrived  int64     // bytes read by the application
	onArrive func(int) // if not nil, is told of them
	lazy     bool      // the application reads only when readAll is called
	drop     func(nth int, s *netem.Segment) bool
	nth      int
}

// A flying segment.
type flying struct {
	at      time.Duration
	order   int
	to      int
	segment netem.Segment
}

type flight []flying

func (f flight) Len() int { return len(f) }
func (f flight) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flight) Push(x any)   { *f = append(*f, x.(flying)) }
func (f *flight) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// synTimes is when a SYN is sent again.
func synTimes(n int) time.Duration {
	wait, at := time.Second, time.Duration(0)
	for i := range n {
		if i > 4 {
			wait *= 2
		}
		at += wait
	}
	return at
}

// newPath connects two ends over the links there and back. The handshake takes
// its time on them.
func newPath(tcp netem.TCP, there, back *slownet.PacketFlow) *path {
	p := &path{}
	sent := time.Duration(0)
	for n := 0; ; n++ {
		sent = synTimes(n)
		request, _ := there.Send(sent, 60)
		if len(request) == 0 {
			continue
		}
		answer, _ := back.Send(request[0].Arrive, 60)
		if len(answer) == 0 {
			continue
		}
		p.now = answer[0].Arrive
		break
	}
	for i, link := range []*slownet.PacketFlow{there, back} {
		p.ends[i] = &side{end: netem.NewEnd(tcp, p.now, p.now-sent), link: link}
	}
	return p
}

// write has an application write.
func (p *path) write(side, n int) {
	p.ends[side].end.Write(p.now, n)
	p.send(side)
}

// send sends what an end has to send.
func (p *path) send(from int) {
	s := p.ends[from]
	for {
		segment, ok := s.end.Output(p.now)
		if !ok {
			return
		}
		if segment.Len > 0 {
			s.nth++
			if s.drop != nil && s.drop(s.nth-1, &segment) {
				continue
			}
		}
		packets, _ := s.link.Send(p.now, segment.Size())
		for _, packet := range packets {
			if packet.Flip >= 0 {
				continue
			}
			p.count++
			heap.Push(&p.flying, flying{packet.Arrive, p.count, 1 - from, segment})
		}
	}
}

// step does what is due next, and reports whether there was anything.
func (p *path) step() bool {
	at := min(p.ends[0].end.Next(), p.ends[1].end.Next())
	if len(p.flying) > 0 && p.flying[0].at <= at {
		next := heap.Pop(&p.flying).(flying)
		p.now = next.at
		p.arrive(next.to, &next.segment)
		return true
	}
	if at == netem.Never {
		return false
	}
	p.now = max(p.now, at)
	for i := range p.ends {
		if p.ends[i].end.Next() <= p.now {
			p.ends[i].end.Expire(p.now)
			p.send(i)
		}
	}
	return true
}

// arrive hands a segment to an end, whose application reads at once.
func (p *path) arrive(at int, segment *netem.Segment) {
	s := p.ends[at]
	s.end.Input(p.now, segment)
	if !s.lazy {
		p.read(at)
	}
	p.send(at)
}

// read has an application read what has arrived.
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

// readAll has both applications read what has arrived.
func (p *path) readAll() {
	p.read(0)
	p.read(1)
}
