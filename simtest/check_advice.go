package simtest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// advice returns a likely cause and a remedy.
func (d *difference) advice() string {
	a, b, ok := d.differing()
	switch {
	case d.first.ended || d.second.ended:
		return "One run has more events than the other: it is random whether the additional event happens before the end. Let f, or the program, wait for it."
	case !ok:
		return "The runs diverge so late that the event was not recorded: look for the cause with a shorter simulation."
	case a.At != b.At:
		return d.adviceOnTime(a, b)
	case d.isCrossed():
		return fmt.Sprintf("The same bytes use another connection: goroutines of host %q take connections at one instant, such as idle ones of a pool, and it is random which goroutine gets which connection. Let one goroutine take the connections for all, give each goroutine a pool of its own, or let them wait for different durations.", a.actor())
	case d.isReordered() || d.bytesDiffer() && d.isRewoven():
		return adviceOnRace(a, b)
	case d.bytesDiffer():
		return d.adviceOnBytes(a, b)
	}
	return fmt.Sprintf("What %s next is random: a select with several ready cases, the order of a map, a lock or a channel that several goroutines wait for, or a random number. Make the decision depend on the seed: use Host.Rand, sorted keys, or a fixed order of cases.", do(a, b))
}

// actor returns the host that caused an event.
func (r *recorded) actor() string { return cmp.Or(r.From, r.To) }

// do names the hosts of two events.
func do(a, b *recorded) string {
	switch one, other := a.actor(), b.actor(); {
	case one == "" && other == "":
		return "the test does"
	case one == other || other == "":
		return fmt.Sprintf("host %q does", one)
	case one == "":
		return fmt.Sprintf("host %q does", other)
	default:
		return fmt.Sprintf("hosts %q and %q do", one, other)
	}
}

// adviceOnTime is for events at different times.
func (d *difference) adviceOnTime(a, b *recorded) string {
	moved := *b
	moved.At = a.At
	if moved.Event != a.Event {
		return fmt.Sprintf("The time at which %s something is random: it depends on the random part of a wait, such as a back-off, or on something in real time, outside the simulation. Draw the random part from Host.Rand, and do not wait for anything in real time.", do(a, b))
	}
	return fmt.Sprintf("It is the same event, %v later: host %q has waited longer. Draw the random part of a wait, such as a back-off, from Host.Rand, and do not wait for anything in real time, outside the simulation.", max(a.At, b.At)-min(a.At, b.At), a.actor())
}

// isReordered reports whether the differing event of each run happens in the other run
// as well, later at the same instant, whatever its offset in a stream.
func (d *difference) isReordered() bool {
	same := func(events []recorded, e trace.Event) bool {
		e.Offset = 0
		return slices.ContainsFunc(events[1:], func(r recorded) bool {
			r.Offset = 0
			return r.Event == e
		})
	}
	return same(d.first.events, d.second.events[0].Event) && same(d.second.events, d.first.events[0].Event)
}

// isCrossed reports whether the bytes that arrive on a connection in one run arrive on
// another connection in the other run, at the same instant and between the same hosts.
func (d *difference) isCrossed() bool {
	crossed := func(events []recorded, e *recorded) bool {
		return slices.ContainsFunc(events[1:], func(r recorded) bool {
			other := r.Event
			other.Conn, other.Offset = e.Conn, e.Offset
			return other == e.Event && r.Conn != e.Conn
		})
	}
	a, b := &d.first.events[0], &d.second.events[0]
	return a.Conn != (trace.Conn{}) && a.Conn == b.Conn && crossed(d.first.events, b) && crossed(d.second.events, a)
}

// isRewoven reports whether the bytes come from the same writes in another order, or
// partly from other writes.
func (d *difference) isRewoven() bool {
	a, b := d.first.writes(), d.second.writes()
	if len(a) == 0 || len(b) == 0 || len(a)+len(b) == 2 {
		return false
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	for _, w := range a {
		if !slices.ContainsFunc(b, func(v write) bool { return bytes.Equal(v.bytes, w.bytes) }) {
			return false
		}
	}
	return true
}

// A write is the part of an event's bytes that one call of Write wrote.
type write struct {
	bytes []byte
	host  string // of the goroutine; empty if it belongs to no host
}

// writes returns the bytes of the event by write, or nothing if that is not known.
func (s *branch) writes() (writes []write) {
	e := &s.events[0]
	rest := e.bytes
	for _, part := range e.by.within(e.Offset, len(rest)) {
		writes = append(writes, write{rest[:part.n], s.run.senders.all[part.sender].host})
		rest = rest[part.n:]
	}
	return writes
}

// writeOf returns the write with byte n of the event.
func (s *branch) writeOf(n int) write {
	for _, w := range s.writes() {
		if n -= len(w.bytes); n < 0 {
			return w
		}
	}
	return write{s.events[0].bytes, s.events[0].From} // as if by one call
}

// adviceOnRace is for events that swapped places.
func adviceOnRace(a, b *recorded) string {
	one, other := a.actor(), b.actor()
	if one != other {
		return fmt.Sprintf("The same events happen in another order: hosts %q and %q share something besides the network, such as a variable, a lock or a channel. Let them share nothing, or act at different instants.", one, other)
	}
	where := ""
	if a.Conn == b.Conn && a.Conn != (trace.Conn{}) {
		where = " on one connection"
	}
	return fmt.Sprintf("The same events happen in another order: goroutines of host %q act at one instant%s, and it is random which is first. Let one wait for the other, let one act for all, or let them wait for different durations.", one, where)
}

// adviceOnBytes is for an event with different bytes.
func (d *difference) adviceOnBytes(a, b *recorded) string {
	n := d.prefix()
	one, other := d.first.writeOf(n), d.second.writeOf(n)
	switch {
	case n == len(a.bytes) || n == len(b.bytes):
		return fmt.Sprintf("The same bytes arrive in pieces of different lengths: the bytes that host %q has written by an instant are sent together, and their number is random. Goroutines that write at one instant may race: let one wait for the other.", a.actor())
	case isTLS(a.bytes) && isTLS(b.bytes):
		return d.adviceOnRandom(adviceOnTLS)
	case len(one.bytes) > 1 && isPermutation(one.bytes, other.bytes):
		return "The same bytes are in another order, within one write: the order of a map, such as that of headers. Sort what is written."
	case isNumber(a.bytes, n) && isNumber(b.bytes, n):
		return "The difference is a number: a counter that lasts from one simulation to the next, the process ID, or a random number. Reset counters in each simulation, and draw random numbers from Host.Rand."
	case one.host == "":
		return d.adviceOnRandom("If the difference is a random number: goroutines without a host draw from one stream of crypto/rand, possibly at one instant. Start them with Host.Run.")
	}
	return d.adviceOnRandom("If the difference is a random number: the seed does not decide the numbers of math/rand/v2's global functions, nor those of generators and pools that were filled before the simulation. For math/rand, and for keys, all hosts draw from one stream, possibly at one instant. Use Host.Rand or crypto/rand.")
}

// adviceOnRandom returns the advice, or that random numbers are not seeded.
func (d *difference) adviceOnRandom(advice string) string {
	if d.second.run.unseeded {
		return "In a parallel test, and with Config.KeepRand, the process's random numbers are not seeded: neither math/rand nor crypto/rand nor the crypto packages, including keys. Do not run the test in parallel, or draw from Host.Rand."
	}
	return advice
}

// isTLS reports whether bytes begin with a TLS record.
func isTLS(b []byte) bool {
	return len(b) >= 5 && 20 <= b[0] && b[0] <= 23 && b[1] == 3 && b[2] <= 4
}

// isPermutation reports whether a and b have the same bytes in another order.
func isPermutation(a, b []byte) bool {
	count := func(b []byte) (n [256]int) {
		for _, c := range b {
			n[c]++
		}
		return n
	}
	return len(a) == len(b) && count(a) == count(b)
}

// isNumber reports whether byte n is a digit of a decimal number that is not next to a
// letter.
func isNumber(b []byte, n int) bool {
	isDigit := func(c byte) bool { return '0' <= c && c <= '9' }
	isLetter := func(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80 }
	if n >= len(b) || !isDigit(b[n]) {
		return false
	}
	from, to := n, n
	for from > 0 && isDigit(b[from-1]) {
		from--
	}
	for to < len(b) && isDigit(b[to]) {
		to++
	}
	return (from == 0 || !isLetter(b[from-1])) && (to == len(b) || !isLetter(b[to]))
}
