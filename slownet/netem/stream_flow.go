package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Flow is the state of one ideal stream on a [Line]. Flows may share a line:
// all that have something to send take turns, one packet at a time. Like the
// line, a flow has no clock, no goroutine and no lock; times must not decrease
// from call to call. Each flow has its own Pace and its own retransmissions.
//
// Bytes of a stream are never lost, changed, duplicated or reordered.
// Impairments of their packets cost time: a lost or corrupted packet is
// retransmitted and occupies the link once more, and the bytes after it wait
// for it at the receiver. The sender retransmits it as soon as it learns that
// three later packets have arrived (fast retransmit, RFC 5681), or when the
// timer of RFC 6298 expires, whichever comes first. A lost retransmission is
// recovered by the timer alone. A duplicate occupies the link too, and so does
// the retransmission of a reordered packet, which the sender takes for lost.
//
// So the arrival time of a piece may depend on later packets: then it is
// Pending, and [Flow.Step] returns its arrival time as soon as that is known.
type Flow struct {
	line            *Line
	link            *Link            // the line's link at the flow's last update
	id              PacketID         // of the packet sent last
	free            time.Duration    // time at which the next piece may enter the link
	burst           int              // bytes that may still pass before the pace's wait
	arrived         time.Duration    // arrival time of the last piece for which it is known
	returnLatency   time.Duration    // of an acknowledgement
	retransmissions *retransmissions // nil until a packet is lost
}

// A Piece is a run of bytes that are sent together.
type Piece struct {
	Bytes  int           // number of bytes
	Leave  time.Duration // time at which the last of them has left the sender
	Arrive time.Duration // time at which they can be read at the other end; Never if it is not known yet

	// Pending says that Arrive depends on later packets: this piece or one before
	// it was lost, and the time of the retransmission is not known yet. See
	// [Flow.Step].
	Pending bool

	// Sent is the number of times that the bytes were sent: more than 1 if packets
	// were lost or corrupted.
	Sent int

	// Failed says that the bytes never arrive: they were lost 16 times in a
	// row. The sender gives up at Arrive, with ETIMEDOUT.
	Failed bool

	// Corrupted is the number of times that the bytes arrived corrupted.
	Corrupted int
}

// NewFlow returns a flow over a line of its own, which is idle at the origin.
// The seed decides all random effects. It panics on an invalid link; see
// [Link.Validate].
func NewFlow(link Link, seed uint64) *Flow {
	line := NewLine(link, seed)
	return &Flow{line: line, link: line.link}
}

// Init initializes the flow over a line. The name must be unique on the line;
// see [PacketID.Flow].
func (f *Flow) Init(line *Line, name uint64) {
	*f = Flow{line: line, link: line.link, id: PacketID{Flow: name}}
}

// Move continues the flow over another line. Later bytes do not overtake bytes
// in flight.
func (f *Flow) Move(line *Line) { f.line = line }

// Name returns the flow's name, which is unique on its line.
func (f *Flow) Name() uint64 { return f.id.Flow }

// Line returns the line.
func (f *Flow) Line() *Line { return f.line }

// Link returns the line's link as it is now.
func (f *Flow) Link() Link { return f.line.Link() }

// SharedLink returns the line's link; see [Line.SharedLink].
func (f *Flow) SharedLink() *Link { return f.line.link }

// SetLink changes the line's link; see [Line.SetLink]. Later bytes do not
// overtake bytes in flight.
func (f *Flow) SetLink(link Link) { f.line.SetLink(link) }

// SetReturn sets the latency of acknowledgements, which is the latency of the
// other direction. Retransmission timers follow the round-trip time, which
// includes it. Zero is no delay.
func (f *Flow) SetReturn(latency time.Duration) { f.returnLatency = latency }

// Free returns the time at which the next piece may enter the link. A time in the
// past means now.
func (f *Flow) Free() time.Duration { return f.free }

// Hold keeps the flow's next bytes from entering the link before the given
// time.
func (f *Flow) Hold(until time.Duration) { f.free = max(f.free, until) }

// Send sends the first of n bytes, at the given time or as soon afterwards as
// the link is free, and returns the piece that they form: at least one byte,
// and at most n. The rest is left for further calls.
//
// With n = 0, the piece stands for something that needs no capacity, such as
// the end of the stream. It leaves and arrives after everything sent before it,
// is never impaired, and is not overtaken by later bytes.
func (f *Flow) Send(now time.Duration, n int) Piece {
	f.update()
	start := max(now, f.free)
	if n == 0 {
		piece := Piece{Leave: start}
		f.arrive(&piece, arrival{at: timeline.Add(start, f.link.Latency)})
		return piece
	}
	if f.burst == 0 {
		f.burst = n
		if f.link.Pace.Bytes > 0 {
			f.burst = min(n, f.link.Pace.Bytes)
		}
	}
	n = min(n, f.burst)
	if f.link.hasPackets() {
		n = min(n, f.link.PacketSize())
	}
	vanishes := f.link.vanishes(n)
	piece := Piece{Sent: 1}
	piece.Bytes, piece.Leave = f.line.pass(start, n)
	f.id.Number++
	f.free = piece.Leave
	delay, lost := f.impair(start, &piece, vanishes)
	f.burst -= piece.Bytes
	if f.burst == 0 {
		f.free = timeline.Add(f.free, f.link.Pace.Wait)
	}
	at := timeline.Add(piece.Leave, delay)
	if f.retransmissions != nil && lost == nil {
		f.retransmissions.deliver(at, f.returnLatency)
	}
	f.arrive(&piece, arrival{at, lost})
	return piece
}

// update applies a change of the link, after which the pace starts over.
func (f *Flow) update() {
	if f.link != f.line.link {
		f.link, f.burst = f.line.link, 0
	}
}

// impair draws the impairments of a piece's packet, whose serialization began
// at start, and returns its delay, or its loss. A packet that vanishes is lost
// every time.
func (f *Flow) impair(start time.Duration, piece *Piece, vanishes bool) (delay time.Duration, lost *lostPacket) {
	isFaulty := vanishes || f.link.isFaulty()
	if !isFaulty && f.link.Jitter.Deviation == 0 {
		return f.link.Latency, nil
	}
	draws := drawsOf(f.line.seed, f.id)
	latency := f.line.latency(f.id, draws)
	if !isFaulty {
		return latency, nil
	}
	r := f.ensureRetransmissions()
	r.learn(start)
	m := f.line.impair(f.id, draws, false)
	for ; vanishes || m.lost || m.corrupted; m = f.line.impair(f.id, draws.again(piece.Sent), true) {
		if !vanishes && !m.lost {
			piece.Corrupted++
		}
		if piece.Sent > maxRetransmissions {
			piece.Failed = true
			break
		}
		f.occupy(piece)
	}
	again := piece.Sent - 1
	if !piece.Failed {
		if m.duplicated || m.reordered {
			f.occupy(piece)
			piece.Sent--
		}
		if m.reordered {
			latency = 0
		}
		if again == 0 {
			arrive := timeline.Add(piece.Leave, latency)
			r.timer.measure(timeline.Add(arrive, f.returnLatency), timeline.Add(arrive-start, f.returnLatency))
			return latency, nil
		}
	}
	return 0, r.lose(&lostPacket{
		leave:         piece.Leave,
		serialization: piece.Leave - start,
		delay:         latency,
		resends:       again,
		failed:        piece.Failed,
	})
}

// ensureRetransmissions returns the flow's retransmission state, and creates it
// if there is none.
func (f *Flow) ensureRetransmissions() *retransmissions { return ensure(&f.retransmissions) }

// occupy serializes a piece's bytes once more.
func (f *Flow) occupy(piece *Piece) {
	piece.Sent++
	f.free = f.line.passAll(f.free, piece.Bytes)
}

// Break declares that the bytes that the last Send left over will not be sent:
// the pace's wait starts after the last piece.
func (f *Flow) Break() {
	f.update()
	if f.burst > 0 {
		f.burst = 0
		f.free = timeline.Add(f.free, f.link.Pace.Wait)
	}
}
