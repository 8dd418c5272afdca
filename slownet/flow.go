package slownet

import "time"

// segment is how many bytes travel together where the rate is limited: an
// Ethernet frame's worth, so that bytes trickle in as they pass and do not
// come all at once when the last is through.
const segment = 1500

// A Flow is the state of one stream on its way over a [Link]: the model itself.
// It has no clock, lock or goroutine. Times are durations since an origin of
// the caller's choice, and must not decrease from call to call.
type Flow struct {
	link    Link
	free    time.Duration // when the next piece may enter the link
	burst   int           // what may still pass before the pace's wait
	meter   meter
	arrived time.Duration // when the piece sent last arrives
}

// A Piece is some bytes that travel together.
type Piece struct {
	Bytes  int           // how many
	Leave  time.Duration // when the last of them has left the sender
	Arrive time.Duration // when they can be read at the other end
}

// NewFlow returns a flow over the link that is free from the origin on. It
// panics on an invalid link; see [Link.Validate].
func NewFlow(link Link) *Flow {
	link.mustBeValid()
	return &Flow{link: link}
}

// SetLink changes the link for what is sent from now on. What is on its way
// already arrives when it would have, and what is sent later does not
// overtake it. It panics on an invalid link; see [Link.Validate].
func (f *Flow) SetLink(link Link) {
	link.mustBeValid()
	f.link, f.burst, f.meter = link, 0, meter{}
}

// Link returns the link as it is now.
func (f *Flow) Link() Link { return f.link }

// Free returns when the next piece may enter the link. In the past, it is free
// now.
func (f *Flow) Free() time.Duration { return f.free }

// Send puts the first of n bytes on their way, at the given time or as soon
// after it as the link is free, and returns the piece that they form: at most
// n bytes, and at least one. The rest is for further calls.
//
// With n = 0, Send asks when something that takes no room, such as the end of
// the stream, leaves and arrives behind all that was sent before.
func (f *Flow) Send(now time.Duration, n int) Piece {
	start := now
	if f.free > now {
		start = f.free
	} else {
		f.meter = meter{} // the link was idle: nothing is left to carry over
	}
	if f.burst == 0 {
		f.burst = n
		if f.link.Pace.Bytes > 0 {
			f.burst = min(n, f.link.Pace.Bytes)
		}
	}
	piece := Piece{Bytes: min(n, f.burst), Leave: start}
	if f.link.Rate > 0 {
		piece.Bytes = min(piece.Bytes, segment)
		piece.Leave = later(start, f.meter.take(f.link.Rate, piece.Bytes))
	}
	f.burst -= piece.Bytes
	f.free = max(f.free, piece.Leave)
	if n > 0 && f.burst == 0 {
		f.free = later(piece.Leave, f.link.Pace.Wait)
	}
	f.arrived = max(f.arrived, later(piece.Leave, f.link.Latency))
	piece.Arrive = f.arrived
	return piece
}

// Break says that the rest of the bytes that the last piece was cut from will
// not come: the pace's wait begins with that piece.
func (f *Flow) Break() {
	if f.burst > 0 {
		f.burst = 0
		f.free = later(f.free, f.link.Pace.Wait)
	}
}

// later returns t + d, or the end of time where that is beyond it.
func later(t, d time.Duration) time.Duration {
	if d > maxDuration-t {
		return maxDuration
	}
	return t + d
}
