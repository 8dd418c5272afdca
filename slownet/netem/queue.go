package netem

import (
	"fmt"
	"math"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/enum"
)

// A Queue holds the packets that wait for a link's rate, replay or bottleneck.
// Everything that crosses the link shares it; with a [Bottleneck], everything
// that crosses the bottleneck. The zero Queue is a FIFO of 1,000 packets, as in
// tc-netem.
//
// A full queue drops datagrams and TCP segments. An ideal stream (see [Flow])
// loses nothing: the queue limits how far the stream's writer may be ahead; see
// [Link.Ahead].
type Queue struct {
	// Bytes is the maximum number of bytes that wait, including the packet that
	// is being serialized; an empty packet counts as one byte. Zero is no limit
	// other than Packets. A packet larger than the queue passes if it need not
	// wait.
	Bytes int `json:"bytes,omitzero"`

	// Packets is the maximum number of packets that wait, including the one
	// that is being serialized. Zero is no limit if Bytes is set; otherwise it
	// is tc's default, 1,000, or with FQCoDel 10,240 packets and 32 MiB in
	// total.
	Packets int `json:"packets,omitzero" unit:"packets"`

	// CountDelayed also counts packets and bytes that have been serialized but
	// have not arrived yet, as netem's limit does: a limit below the
	// bandwidth-delay product then reduces the throughput.
	CountDelayed bool `json:"countDelayed,omitzero"`

	// Discipline decides the order of service, and the packets that are dropped
	// before the queue is full. Zero is FIFO.
	Discipline Discipline `json:"discipline,omitzero"`
}

// A Discipline is a queueing discipline: the packets that a queue serves next,
// and those that it drops.
type Discipline int

// The disciplines.
const (
	// FIFO serves packets in order, and drops packets that arrive when the
	// queue is full: drop-tail.
	FIFO Discipline = iota

	// CoDel serves packets in order, and drops some when all of them have
	// waited for more than 5 ms over a period of 100 ms: RFC 8289.
	CoDel

	// FQCoDel has a CoDel queue for each connection and socket, 1,024 at most.
	// The queues take turns by bytes, sparse flows first: RFC 8290. When all of
	// them together are full, a packet is dropped from the longest one.
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

// Limits of queues that set none: the defaults of netem and codel, and of
// fq_codel.
const (
	defaultPackets     = 1000
	defaultFairPackets = 10_240
	defaultFairBytes   = 32 << 20
)

// Holds reports whether the queue has room for that many packets with that many
// bytes in total.
func (q Queue) Holds(packets, bytes int) bool {
	maxPackets, maxBytes := q.limits()
	return packets <= maxPackets && bytes <= maxBytes
}

// limits returns the limits of the queue.
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

// Ahead returns the number of bytes that the writer of an ideal stream may be
// ahead of the bytes that have left by the rate and the pace: the queue's
// Bytes, or as many full packets as it holds, whichever is less. Zero, as with
// the zero Queue, is no such number: in package slownet the writer then waits
// until its last byte has left, and in package simtest only the window makes it
// wait.
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
