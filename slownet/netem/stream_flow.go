package netem

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Flow is the state of one stream on its way over a [Link]: the model itself.
// It has no clock and no goroutine, and no lock but that of a [Bottleneck].
// Times are durations since an origin of the caller's choice, the same for all
// flows that share a bottleneck, and must not decrease from call to call.
//
// Bytes of a stream are never lost, changed or doubled, nor do they overtake
// each other. What befalls their packets costs time: one that is lost or
// corrupted is sent again when the timer of RFC 6298 expires, takes its room
// on the link once more, and what follows waits for it at the other end. A
// duplicate takes its room, and so does one that was reordered, for it makes
// the sender believe that it was lost.
type Flow struct {
	path
	free    time.Duration // when the next piece may enter the link
	burst   int           // what may still pass before the pace's wait
	arrived time.Duration // when the piece sent last arrives
	back    time.Duration // how long an acknowledgement takes
}

// A Piece is some bytes that travel together.
type Piece struct {
	Bytes  int           // how many
	Leave  time.Duration // when the last of them has left the sender
	Arrive time.Duration // when they can be read at the other end

	// Sent is how often they were sent: more than once if packets were lost or
	// corrupted.
	Sent int

	// Failed says that they never arrive: they were lost 16 times in a row.
	// The sender gives up at Arrive, with ETIMEDOUT.
	Failed bool

	// Corrupted is how often they arrived, but corrupted.
	Corrupted int
}

// NewFlow returns a flow over the link that is free from the origin on. The
// seed decides what is random. It panics on an invalid link; see
// [Link.Validate].
func NewFlow(link Link, seed uint64) *Flow {
	link.mustBeValid()
	return &Flow{path: path{link: &link, seed: seed}}
}

// Init makes the flow what [NewFlow] returns: over a link that is valid, that
// others may have too, and that nobody changes from now on.
func (f *Flow) Init(link *Link, seed uint64) {
	*f = Flow{}
	f.init(link, seed)
}

// SetLink changes the link for what is sent from now on. What is on its way
// already arrives when it would have, and what is sent later does not
// overtake it. It panics on an invalid link; see [Link.Validate].
func (f *Flow) SetLink(link Link) {
	link.mustBeValid()
	f.SetSharedLink(&link)
}

// SetSharedLink is SetLink with a link that is valid, that others may have too,
// and that nobody changes from now on.
func (f *Flow) SetSharedLink(link *Link) {
	f.path.setLink(link)
	f.burst = 0
}

// SetLinkOf is SetLink with the link that another flow has. The two share it, so
// many flows over one link need the memory for one.
func (f *Flow) SetLinkOf(other *Flow) { f.SetSharedLink(other.link) }

// SetReturn says how long an acknowledgement takes on its way back: the latency
// of the other direction. It counts for the round trips by which
// retransmissions are timed. Zero is no time.
func (f *Flow) SetReturn(latency time.Duration) { f.back = latency }

// Link returns the link as it is now.
func (f *Flow) Link() Link { return *f.link }

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
	start := max(now, f.free)
	if n == 0 {
		f.arrived = max(f.arrived, timeline.Add(start, f.link.Latency))
		return Piece{Leave: start, Arrive: f.arrived}
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
	piece := Piece{Sent: 1}
	piece.Bytes, piece.Leave = f.pass(start, n)
	f.free = piece.Leave
	late := f.retransmit(start, &piece)
	f.burst -= piece.Bytes
	if f.burst == 0 {
		f.free = timeline.Add(f.free, f.link.Pace.Wait)
	}
	f.arrived = max(f.arrived, timeline.Add(piece.Leave, late))
	piece.Arrive = f.arrived
	return piece
}

// retransmit decides what befalls the packet that a piece is, which has begun
// to pass at the given time, and returns how long after it has left it arrives.
func (f *Flow) retransmit(start time.Duration, piece *Piece) time.Duration {
	latency := f.latency()
	if !f.link.isFaulty() {
		return latency
	}
	again := &f.withLuck().again
	again.learn(start)
	var waited time.Duration
	timeout := again.wait()
	m := f.misfortune(false)
	for ; m.lost || m.corrupted; m = f.misfortune(true) {
		if !m.lost {
			piece.Corrupted++
		}
		waited = timeline.Add(waited, timeout)
		timeout = min(2*timeout, maxIdealTimeout)
		again.backOff(timeline.Add(piece.Leave, waited), timeout)
		if piece.Sent > maxRetransmissions {
			piece.Failed = true
			return waited
		}
		f.occupy(piece)
		waited = timeline.Add(waited, piece.Leave-start) // to pass once more
	}
	if m.duplicated || m.reordered {
		f.occupy(piece)
		piece.Sent--
	}
	if m.reordered {
		latency = 0
	}
	if waited == 0 {
		arrive := timeline.Add(piece.Leave, latency)
		again.measure(timeline.Add(arrive, f.back), timeline.Add(arrive-start, f.back))
	}
	return timeline.Add(waited, latency)
}

// occupy lets a piece's bytes pass once more.
func (f *Flow) occupy(piece *Piece) {
	piece.Sent++
	f.free = f.passAll(f.free, piece.Bytes)
}

// Break says that the rest of the bytes that the last piece was cut from will
// not come: the pace's wait begins with that piece.
func (f *Flow) Break() {
	if f.burst > 0 {
		f.burst = 0
		f.free = timeline.Add(f.free, f.link.Pace.Wait)
	}
}
