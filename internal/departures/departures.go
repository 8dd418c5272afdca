// Package departures remembers when the bytes of a stream that are under way have left,
// so that a trace can tell of those that arrive how long they took.
package departures

import "time"

// A Queue has the bytes of one direction of a stream. The zero Queue is empty.
type Queue struct{ pieces []piece }

// A piece is so many bytes that have left at one time.
type piece struct {
	at    time.Duration
	bytes int
}

// Leave adds bytes that leave.
func (q *Queue) Leave(at time.Duration, bytes int) {
	q.pieces = append(q.pieces, piece{at, bytes})
}

// Arrive takes out so many bytes, and returns how long the first of them took: 0 if it is
// not known when that has left. A nil Queue knows nothing.
func (q *Queue) Arrive(at time.Duration, bytes int) (took time.Duration) {
	if q == nil || len(q.pieces) == 0 {
		return 0
	}
	took = at - q.pieces[0].at
	for bytes > 0 && len(q.pieces) > 0 {
		first := &q.pieces[0]
		if first.bytes > bytes {
			first.bytes -= bytes
			break
		}
		bytes -= first.bytes
		q.pieces = q.pieces[1:]
	}
	return took
}
