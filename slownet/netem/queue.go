package netem

import (
	"fmt"
	"math"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/enum"
)

// A Queue is where packets wait for a link's rate, replay or bottleneck. All
// that crosses the link shares it; with a [Bottleneck], all that crosses that.
// The zero Queue is first in, first out, and holds 1,000 packets, as tc-netem does.
//
// A full queue drops datagrams and the segments of TCP. An ideal stream, see
// [Flow], loses nothing: there the queue is how far its writer may be ahead, see
// [Link.Ahead].
type Queue struct {
	// Bytes is the most bytes that may wait, those of the packet that passes at
	// the time included; a packet without bytes counts as one. Zero is no limit,
	// but that of Packets. A packet that is larger than the queue passes if it
	// need not wait.
	Bytes int `json:"bytes,omitzero"`

	// Packets is the most packets that may wait, the one that passes at the time
	// included. Zero is no limit if Bytes is set; else it is what tc makes it,
	// 1,000, and with FQCoDel 10,240, of 32 MiB in all.
	Packets int `json:"packets,omitzero" unit:"packets"`

	// CountDelayed counts packets, and bytes, that have passed the rate but have
	// not arrived yet, as netem's limit does: there, a limit that is less than
	// what is under way cuts the rate.
	CountDelayed bool `json:"countDelayed,omitzero"`

	// Discipline is how the queue is served, and what it drops before it is
	// full. Zero is FIFO.
	Discipline Discipline `json:"discipline,omitzero"`
}

// A Discipline is how a queue is served.
type Discipline int

// The disciplines.
const (
	// FIFO serves packets in order, and drops those that find the queue full:
	// drop-tail.
	FIFO Discipline = iota

	// CoDel serves packets in order, and drops some when all have waited for
	// more than 5 ms for 100 ms: RFC 8289.
	CoDel

	// FQCoDel has a queue with CoDel for each connection and socket, 1,024 at
	// most, that take turns by bytes, those first that have sent little: RFC
	// 8290. When it is full, a packet of the longest queue is dropped.
	FQCoDel
)

// String returns the discipline's name as tc spells it.
func (d Discipline) String() string {
	return enum.Name("Discipline", int(d), "fifo", "codel", "fq_codel")
}

// disciplineNamed returns the discipline with a name, in any spelling, such as
// "FQ-CoDel", and whether there is one.
func disciplineNamed(name string) (Discipline, bool) {
	spelling := strings.NewReplacer("_", "", "-", "", " ", "")
	for d := FIFO; d <= FQCoDel; d++ {
		if strings.EqualFold(spelling.Replace(d.String()), spelling.Replace(name)) {
			return d, true
		}
	}
	return FIFO, false
}

// What queues hold that name no limit: the defaults of netem and codel, and of
// fq_codel.
const (
	defaultPackets     = 1000
	defaultFairPackets = 10_240
	defaultFairBytes   = 32 << 20
)

// Holds reports whether so many packets, which have so many bytes in all, find
// room in the queue.
func (q Queue) Holds(packets, bytes int) bool {
	maxPackets, maxBytes := q.limits()
	return packets <= maxPackets && bytes <= maxBytes
}

// limits returns how much the queue holds.
func (q *Queue) limits() (packets, bytes int) {
	packets, bytes = q.Packets, q.Bytes
	switch {
	case packets == 0 && bytes == 0 && q.Discipline == FQCoDel:
		return defaultFairPackets, defaultFairBytes
	case packets == 0 && bytes == 0:
		return defaultPackets, math.MaxInt
	case packets == 0:
		packets = math.MaxInt
	case bytes == 0:
		bytes = math.MaxInt
	}
	return packets, bytes
}

func (q *Queue) invalid() error {
	switch {
	case q.Bytes < 0:
		return mustBe("Queue.Bytes", q.Bytes, "0 (the default) or more")
	case q.Packets < 0:
		return mustBe("Queue.Packets", q.Packets, "0 (the default) or more")
	case q.Discipline < FIFO || q.Discipline > FQCoDel:
		return fmt.Errorf("Queue.Discipline is %d: it must be FIFO, CoDel or FQCoDel", int(q.Discipline))
	}
	return nil
}

// Ahead returns how many bytes the writer of an ideal stream may be ahead of
// what the rate and the pace have let pass: the queue's Bytes, or as many full
// packets as it holds, whichever is less. Zero, which the zero Queue gives, is
// none: the writer waits until its last byte passes.
func (l *Link) Ahead() int {
	ahead := l.Queue.Bytes
	if packets := l.Queue.Packets; packets > 0 {
		inPackets := math.MaxInt
		if size := l.PacketSize(); packets <= math.MaxInt/size {
			inPackets = packets * size
		}
		if ahead == 0 || inPackets < ahead {
			ahead = inPackets
		}
	}
	return ahead
}
