// Package departures records the times at which a stream's bytes in flight left, so that a
// trace can report their travel times.
package departures

import "time"

// A Queue contains the departures of one direction of a stream. The zero Queue is empty.
type Queue struct{ pieces []piece }

// A piece is a number of bytes that left at the same time.
type piece struct {
	at    time.Duration
	bytes int
}

// Leave adds bytes that leave at the given time.
func (q *Queue) Leave(at time.Duration, bytes int) {
	q.pieces = append(q.pieces, piece{at, bytes})
}

// Arrive removes bytes that arrive at the given time, and returns the travel time of the
// first byte, or 0 if its departure is unknown. A nil Queue returns 0.
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
