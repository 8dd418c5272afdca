package page

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A block contains a number of events in columns. Numbers are encoding/binary's
// variable-length integers, which compress well: most are small, or the same as before.
type block struct {
	called func(trace.Conn) string // the display name of a connection; may be nil

	// Shared by all blocks of the run so far.
	names map[string]int     // of hosts and addresses, by number from 1
	conns map[trace.Conn]int // by number from 1
	next  []map[int]int64    // by connection and sender, the expected next offset
	last  time.Duration      // time of the last event

	// Of this block.
	count                                          int
	newNames                                       []string
	newConns                                       [][4]any // the number of the host's name, the network, the number as a string, and the display name or ""
	notes                                          map[string]int
	newNotes                                       []string
	at, kind, from, to, conn, offset, length, took []byte
	note, payload, payloads, packets               []byte
}

func newBlock(called func(trace.Conn) string) *block {
	return &block{called: called, names: map[string]int{}, conns: map[trace.Conn]int{}, notes: map[string]int{}}
}

func (b *block) reset() {
	*b = block{called: b.called, names: b.names, conns: b.conns, next: b.next, last: b.last, notes: map[string]int{}}
}

// add adds an event, with at most limit bytes of its payload. It returns the number of
// payload bytes that it kept.
func (b *block) add(e *trace.Event, base time.Duration, limit int) (kept int) {
	b.count++
	at := sub(e.At, base)
	b.at = appendInt(b.at, int64(sub(at, b.last)))
	b.last = at
	b.kind = append(b.kind, byte(e.Kind))
	from, conn := b.name(e.From), b.connection(e.Conn)
	b.from = appendUint(b.from, uint64(from))
	b.to = appendUint(b.to, uint64(b.name(e.To)))
	b.conn = appendUint(b.conn, uint64(conn))
	b.offset = appendInt(b.offset, e.Offset-b.next[conn][from])
	b.next[conn][from] = e.Offset + int64(e.Length)
	b.length = appendUint(b.length, uint64(max(e.Length, 0)))
	b.took = appendInt(b.took, int64(e.Took))
	b.note = appendUint(b.note, uint64(b.remark(e.Note)))
	payload := e.Payload[:min(len(e.Payload), limit)]
	b.payload = appendUint(b.payload, uint64(len(payload)))
	b.payloads = append(b.payloads, payload...)
	if e.Packet != nil {
		b.packet(e.Packet)
	} else {
		b.packets = append(b.packets, 0)
	}
	return len(payload)
}

// packet adds the headers of an event's packet.
func (b *block) packet(p *trace.PacketInfo) {
	b.packets = append(b.packets, 1)
	b.packets = appendUint(b.packets, p.Number)
	b.packets = appendUint(b.packets, uint64(b.address(p.From.IsValid(), p.From.String())))
	b.packets = appendUint(b.packets, uint64(b.address(p.To.IsValid(), p.To.String())))
	resent := byte(0)
	if p.Resent {
		resent = 1
	}
	b.packets = append(b.packets, byte(p.Flags), resent)
	for _, n := range []int64{p.Seq, p.Ack, int64(p.Window), int64(p.Size), int64(p.Congestion), int64(len(p.SACK))} {
		b.packets = appendInt(b.packets, n)
	}
	for _, s := range p.SACK {
		b.packets = appendInt(appendInt(b.packets, s[0]), s[1])
	}
}

func (b *block) address(valid bool, text string) int {
	if !valid {
		return 0
	}
	return b.name(text)
}

// name returns the number of a name, or 0 for the empty one.
func (b *block) name(s string) int {
	if s == "" {
		return 0
	}
	n, ok := b.names[s]
	if !ok {
		n = len(b.names) + 1
		b.names[strings.Clone(s)] = n
		b.newNames = append(b.newNames, s)
	}
	return n
}

// connection returns the number of a connection, or 0 for none.
func (b *block) connection(c trace.Conn) int {
	if b.next == nil {
		b.next = []map[int]int64{{}}
	}
	if c == (trace.Conn{}) {
		return 0
	}
	n, ok := b.conns[c]
	if !ok {
		n = len(b.conns) + 1
		b.conns[c] = n
		b.next = append(b.next, map[int]int64{})
		called := ""
		if b.called != nil {
			called = b.called(c)
		}
		b.newConns = append(b.newConns, [4]any{b.name(c.Host), c.Network, strconv.FormatUint(c.Number, 10), called})
	}
	return n
}

// remark returns the number of a note in this block, or 0 for none.
func (b *block) remark(s string) int {
	if s == "" {
		return 0
	}
	n, ok := b.notes[s]
	if !ok {
		n = len(b.notes) + 1
		b.notes[s] = n
		b.newNotes = append(b.newNotes, s)
	}
	return n
}

// bytes returns the block as it is stored.
func (b *block) bytes() []byte {
	strings, err := json.Marshal(map[string]any{
		"kinds": kinds(), "names": b.newNames, "conns": b.newConns, "notes": b.newNotes,
	})
	if err != nil {
		panic(err) // there are only strings and numbers
	}
	return join(strings, b.at, b.kind, b.from, b.to, b.conn, b.offset, b.length, b.took, b.note, b.payload, b.payloads, b.packets)
}

func appendUint(to []byte, n uint64) []byte { return binary.AppendUvarint(to, n) }
func appendInt(to []byte, n int64) []byte   { return binary.AppendVarint(to, n) }
