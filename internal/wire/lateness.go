package wire

import "time"

// tooLate is when a packet is counted as late.
const tooLate = 3 * time.Millisecond

// Lateness is how late packets were.
type Lateness struct {
	Most    time.Duration
	Packets int // all
	Late    int // by more than three milliseconds
}

// IsTooMuch reports whether so many were late that a measurement is worth nothing.
func (l Lateness) IsTooMuch() bool { return l.Late > l.Packets/100 }

// And returns the lateness of both.
func (l Lateness) And(other Lateness) Lateness {
	return Lateness{max(l.Most, other.Most), l.Packets + other.Packets, l.Late + other.Late}
}

// add notes by how much something was late.
func (l *Lateness) add(late time.Duration) {
	l.Most = max(l.Most, late)
	if late > tooLate {
		l.Late++
	}
}
