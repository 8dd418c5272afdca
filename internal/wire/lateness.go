package wire

import "time"

// tooLate is the lateness from which a packet counts as late.
const tooLate = 3 * time.Millisecond

// Lateness counts late packets.
type Lateness struct {
	Most    time.Duration
	Packets int // all packets
	Late    int // packets that were late by more than three milliseconds
}

// IsTooMuch reports whether so many packets were late that a measurement is useless.
func (l Lateness) IsTooMuch() bool { return l.Late > l.Packets/100 }

// And returns the sum of both.
func (l Lateness) And(other Lateness) Lateness {
	return Lateness{max(l.Most, other.Most), l.Packets + other.Packets, l.Late + other.Late}
}

// add records the lateness of a packet.
func (l *Lateness) add(late time.Duration) {
	l.Most = max(l.Most, late)
	if late > tooLate {
		l.Late++
	}
}
