package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Flow is the state of one ideal stream on its way over a [Line], which it may
// share with others: those that have something to send take turns, a packet
// each. Like the line it has no clock, no goroutine and no lock; times must not
// decrease from call to call. The flow's own are the link's Pace and its
// retransmissions.
//
// Bytes of a stream are never lost, changed or doubled, nor do they overtake
// each other. What befalls their packets costs time: one that is lost or
// corrupted is sent again, takes its room on the link once more, and what
// follows waits for it at the other end. The sender retransmits it as soon as it
// hears that three later packets have arrived (fast retransmit, RFC 5681), or
// when the timer of RFC 6298 expires, whatever comes first. A retransmission
// that is lost is sent again by the timer alone. A duplicate takes its room, and
// so does one that was reordered, for it makes the sender believe that it was
// lost.
//
// So it may depend on what is sent later when a piece arrives: then it is
// Pending, and [Flow.Step] says when it arrives, as soon as that is known.
type Flow struct {
	line            *Line
	link            *Link            // the line's, when the flow looked last
	id              PacketID         // of the packet sent last
	free            time.Duration    // when the next piece may enter the link
	burst           int              // what may still pass before the pace's wait
	arrived         time.Duration    // when the last piece arrives of those of which that is known
	returnLatency   time.Duration    // how long an acknowledgement takes
	retransmissions *retransmissions // nil as long as nothing was lost
}

// A Piece is some bytes that travel together.
type Piece struct {
	Bytes  int           // how many
	Leave  time.Duration // when the last of them has left the sender
	Arrive time.Duration // when they can be read at the other end; Never if that is not known yet

	// Pending says that Arrive depends on what is sent later: the piece was lost,
	// or one before it, and nobody knows yet when that is retransmitted. See
	// [Flow.Step].
	Pending bool

	// Sent is how often they were sent: more than once if packets were lost or
	// corrupted.
	Sent int

	// Failed says that they never arrive: they were lost 16 times in a row.
	// The sender gives up at Arrive, with ETIMEDOUT.
	Failed bool

	// Corrupted is how often they arrived, but corrupted.
	Corrupted int
}

// NewFlow returns a flow over a line of its own, which is free from the origin
// on. The seed decides what is random. It panics on an invalid link; see
// [Link.Validate].
func NewFlow(link Link, seed uint64) *Flow {
	line := NewLine(link, seed)
	return &Flow{line: line, link: line.link}
}

// Init makes the flow one over the line. The name tells it from all others on
// the line; see [PacketID.Flow].
func (f *Flow) Init(line *Line, name uint64) {
	*f = Flow{line: line, link: line.link, id: PacketID{Flow: name}}
}

// Move makes the flow go on over another line. What is sent later does not
// overtake what is on its way.
func (f *Flow) Move(line *Line) { f.line = line }

// Name returns the name that tells the flow from all others on its line.
func (f *Flow) Name() uint64 { return f.id.Flow }

// Line returns the line.
func (f *Flow) Line() *Line { return f.line }

// Link returns the line's link as it is now.
func (f *Flow) Link() Link { return f.line.Link() }

// SharedLink is [Line.SharedLink] of its line.
func (f *Flow) SharedLink() *Link { return f.line.link }

// SetLink is [Line.SetLink] of its line. On a stream, what is sent later does
// not overtake what is on its way.
func (f *Flow) SetLink(link Link) { f.line.SetLink(link) }

// SetReturn says how long an acknowledgement takes on its way back: the latency
// of the other direction. It counts for the round trips by which
// retransmissions are timed. Zero is no time.
func (f *Flow) SetReturn(latency time.Duration) { f.returnLatency = latency }

// Free returns when the next piece may enter the link. In the past, it is free
// now.
func (f *Flow) Free() time.Duration { return f.free }

// Hold lets nothing enter the link before the given time.
func (f *Flow) Hold(until time.Duration) { f.free = max(f.free, until) }

// Send puts the first of n bytes on their way, at the given time or as soon
// after it as the link is free, and returns the piece that they form: at most
// n bytes, and at least one. The rest is for further calls.
//
// With n = 0, Send says when something that takes no room, such as the end of
// the stream, leaves and arrives behind all that was sent before. Nothing
// befalls it, and what is sent later does not overtake it.
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

// update takes in a change of link, after which the pace begins anew.
func (f *Flow) update() {
	if f.link != f.line.link {
		f.link, f.burst = f.line.link, 0
	}
}

// impair decides what befalls the packet that a piece is, which has begun to
// pass at the given time, and returns how long it is under way, or its loss. One
// that vanishes is lost each time.
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

// ensureRetransmissions returns what the flow knows of its retransmissions.
func (f *Flow) ensureRetransmissions() *retransmissions { return ensure(&f.retransmissions) }

// occupy lets a piece's bytes pass once more.
func (f *Flow) occupy(piece *Piece) {
	piece.Sent++
	f.free = f.line.passAll(f.free, piece.Bytes)
}

// Break says that the rest of the bytes that the last piece was cut from will
// not come: the pace's wait begins with that piece.
func (f *Flow) Break() {
	f.update()
	if f.burst > 0 {
		f.burst = 0
		f.free = timeline.Add(f.free, f.link.Pace.Wait)
	}
}
