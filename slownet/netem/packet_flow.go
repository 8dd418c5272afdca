package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A PacketFlow is the state of one socket's datagrams on a [Line], which other
// flows may share. Like the line it has no clock, no goroutine and no lock;
// times must not decrease from call to call.
//
// The link decides what happens to a datagram: it can be lost, duplicated,
// corrupted in one bit, reordered, or dropped because the queue is full or it
// exceeds the MTU. The flow itself has the link's Pace and the datagrams that
// wait for it, as many as the link's queue can hold.
type PacketFlow struct {
	line    *Line
	id      PacketID      // of the datagram sent last
	free    time.Duration // time at which the pace allows the next one to enter the line
	pacing  *backlog      // the datagrams that wait for that; nil until one does
	packets [2]Packet     // returned by Send
}

// NewPacketFlow returns a flow of datagrams over a line of its own, which is
// idle at the origin. The seed decides all random effects. It panics on an
// invalid link; see [Link.Validate].
func NewPacketFlow(link Link, seed uint64) *PacketFlow {
	return &PacketFlow{line: NewLine(link, seed)}
}

// Init initializes the flow over a line. The name must be unique on the line;
// see [PacketID.Flow].
func (f *PacketFlow) Init(line *Line, name uint64) {
	*f = PacketFlow{line: line, id: PacketID{Flow: name}}
}

// Move continues the flow over another line.
func (f *PacketFlow) Move(line *Line) { f.line = line }

// Name returns the flow's name, which is unique on its line.
func (f *PacketFlow) Name() uint64 { return f.id.Flow }

// Line returns the line.
func (f *PacketFlow) Line() *Line { return f.line }

// Link returns the line's link as it is now.
func (f *PacketFlow) Link() Link { return f.line.Link() }

// SharedLink returns the line's link; see [Line.SharedLink].
func (f *PacketFlow) SharedLink() *Link { return f.line.link }

// SetLink changes the line's link; see [Line.SetLink].
func (f *PacketFlow) SetLink(link Link) { f.line.SetLink(link) }

// Free returns the time at which the next datagram may enter the link. A time
// in the past means now.
func (f *PacketFlow) Free() time.Duration { return max(f.free, f.line.free()) }

// Hold keeps the flow's next datagrams from entering the link before the given
// time.
func (f *PacketFlow) Hold(until time.Duration) { f.free = max(f.free, until) }

// Skip counts a datagram that does not reach the line, so that later datagrams
// keep their random draws.
func (f *PacketFlow) Skip() { f.id.Number++ }

// Send sends a datagram of n bytes. It returns the packet that arrives, or two
// packets if the datagram was duplicated. If none arrives, it returns the
// reason for the drop, or [Queued]; see [Line.Send]. The packets are valid
// until the next call.
func (f *PacketFlow) Send(now time.Duration, n int) ([]Packet, Drop) {
	return f.SendTagged(now, n, nil)
}

// SendTagged is Send with a tag, which must not be nil and identifies the
// datagram in [Line.Step] if it is Queued. A datagram that waits for the pace
// before it waits for the rate is Queued too, so that other packets can pass
// meanwhile. Send is for a line without other traffic.
func (f *PacketFlow) SendTagged(now time.Duration, n int, tag any) ([]Packet, Drop) {
	link := f.line.link
	f.id.Number++
	start := max(now, f.free)
	if start > now && !f.awaitsPace(now, n) && !link.drops(n) {
		return nil, DroppedByQueue
	}
	fate := Fate{Drop: Queued}
	if start > now && tag != nil && link.hasCapacity() && !link.drops(n) {
		f.line.sendAt(start, n, f.id, tag)
	} else {
		fate = f.line.Send(start, n, f.id, tag)
	}
	if fate.Count == 0 && fate.Drop != Queued {
		return nil, fate.Drop
	}
	if start > now {
		f.pacing.add(start, n)
	}
	if link.Pace.Wait > 0 {
		leave := timeline.Add(start, f.line.atLeast(n)) // unless other packets come first
		if fate.Count > 0 && link.Queue.Discipline == FIFO {
			leave = fate.Packets[0].Leave
		}
		f.free = timeline.Add(leave, link.Pace.after(n))
	}
	f.packets = fate.Packets
	return f.packets[:fate.Count], fate.Drop
}

// awaitsPace reports whether there is room for a datagram that has to wait for
// the pace.
func (f *PacketFlow) awaitsPace(now time.Duration, n int) bool {
	pacing := ensure(&f.pacing)
	pacing.forget(now)
	return pacing.hasRoom(&f.line.link.Queue, n)
}

// after returns the pause after a datagram of n bytes.
func (p *Pace) after(n int) time.Duration {
	pieces := 1
	if p.Bytes > 0 {
		pieces = max(1, (n+p.Bytes-1)/p.Bytes)
	}
	if waits := time.Duration(pieces); waits <= timeline.End/p.Wait {
		return waits * p.Wait
	}
	return timeline.End
}
