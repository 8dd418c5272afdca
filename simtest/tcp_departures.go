package simtest

import "time"

// Departures are when the bytes of an ideal stream that are under way have left, for
// the trace. The nil departures know nothing.
type departures struct{ pieces fifo[departure] }

// A departure is of so many bytes at one time.
type departure struct {
	at    time.Duration
	bytes int
}

// leave adds bytes that leave.
func (d *departures) leave(at time.Duration, bytes int) *departures {
	if d == nil {
		d = &departures{}
	}
	d.pieces.push(departure{at, bytes})
	return d
}

// arrive takes out so many bytes, and returns how long the first of them took.
func (d *departures) arrive(at time.Duration, bytes int) (took time.Duration) {
	if d == nil || d.pieces.len() == 0 {
		return 0
	}
	took = at - d.pieces.first().at
	for bytes > 0 && d.pieces.len() > 0 {
		first := d.pieces.first()
		if first.bytes > bytes {
			first.bytes -= bytes
			break
		}
		bytes -= first.bytes
		d.pieces.pop()
	}
	return took
}
