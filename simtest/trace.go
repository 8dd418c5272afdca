package simtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/zeebo/xxh3"
)

// An Event is something that has happened in a simulation, as its trace tells.
type Event struct {
	At     time.Duration // simulated time since the start
	Kind   Kind
	From   string // the host that something came from
	To     string // the host that it happened to
	Conn   ConnID
	Offset int64  // in the stream, of the first byte
	Length int    // in bytes
	Hash   uint32 // of the bytes: the low half of their XXH3-64
	Note   string // more words
}

// A ConnID names a connection, or a socket for datagrams: by the host that has
// dialled or opened it, and by its number among that host's. The zero ConnID is
// none.
type ConnID struct {
	Host    string
	Network string // "tcp" or "udp"
	Number  uint64 // from 1
}

// String returns the name, such as "poet/tcp#3".
func (c ConnID) String() string {
	if c == (ConnID{}) {
		return ""
	}
	return fmt.Sprintf("%s/%s#%d", c.Host, c.Network, c.Number)
}

// A Kind is what an event is.
type Kind uint8

// What can happen.
const (
	Connect   Kind = iota + 1 // a dial has succeeded
	Accept                    // the connection waits for its listener's Accept
	Data                      // bytes or a datagram have arrived
	Close                     // the end of a stream has arrived
	Reset                     // a connection was reset, or given up; or a dial has failed
	Drop                      // something is lost, or has arrived where nobody takes it
	Fault                     // something was done to the network
	HostEvent                 // something was done to a host
)

// String returns the kind's name.
func (k Kind) String() string {
	names := [...]string{"", "connect", "accept", "data", "close", "reset", "drop", "fault", "host"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// String returns the event in a line.
func (e Event) String() string {
	words := []string{e.At.String(), e.Kind.String()}
	if e.From != "" || e.To != "" {
		words = append(words, e.From+">"+e.To)
	}
	if e.Conn != (ConnID{}) {
		words = append(words, e.Conn.String())
	}
	if e.Kind == Data || e.Length > 0 {
		words = append(words, fmt.Sprintf("offset %d, %d bytes, hash %08x", e.Offset, e.Length, e.Hash))
	} else if e.Offset > 0 {
		words = append(words, fmt.Sprintf("offset %d", e.Offset))
	}
	if e.Note != "" {
		words = append(words, "("+e.Note+")")
	}
	return strings.Join(words, " ")
}

// A Trace is what has happened in a simulation, event by event. It keeps a
// digest of all of them, and as many of the last ones as [Config.KeepEvents]
// asks for. It can still be asked when the simulation has ended.
type Trace struct {
	sim       *Sim
	keep      int
	hook      func(Event)
	recording *recording // of CheckDeterminism
	arrived   kept       // the bytes of the next event, for the recording

	// Guarded by sim.mu.
	digest uint64
	count  int64
	last   time.Duration // when the last one was
	ring   []Event
}

func (t *Trace) init(s *Sim, config Config) {
	t.sim, t.keep, t.hook, t.recording = s, config.KeepEvents, config.Trace, config.recording
}

// Trace returns what has happened so far.
func (s *Sim) Trace() *Trace { return &s.trace }

// Digest returns a number, in hexadecimal, of all that has happened so far:
// runs with the same digest had the same events in the same order.
func (t *Trace) Digest() string {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return fmt.Sprintf("%016x", t.digest)
}

// Len returns how many events there were so far.
func (t *Trace) Len() int64 {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.count
}

// Events returns the last events, oldest first: at most [Config.KeepEvents].
func (t *Trace) Events() []Event {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	if len(t.ring) == 0 {
		return nil
	}
	start := int(t.count % int64(len(t.ring)))
	if len(t.ring) < t.keep {
		start = 0
	}
	return append(append([]Event(nil), t.ring[start:]...), t.ring[:start]...)
}

// recordLocked adds an event that happens now. Only the loop calls it.
func (s *Sim) recordLocked(e Event) {
	t := &s.trace
	e.At = s.instant
	t.digest = e.mixInto(t.digest)
	t.count++
	t.last = e.At
	if t.keep > 0 {
		if len(t.ring) < t.keep {
			t.ring = append(t.ring, e)
		} else {
			t.ring[(t.count-1)%int64(t.keep)] = e
		}
	}
	if t.recording != nil {
		t.recording.event(e, t.digest, t.arrived)
		t.arrived = kept{}
	}
	if t.hook != nil {
		t.hook(e)
	}
}

// mixInto adds the event to a digest.
func (e *Event) mixInto(digest uint64) uint64 {
	digest = mix(digest, uint64(e.At))
	digest = mix(digest, uint64(e.Kind)<<32|uint64(e.Hash))
	digest = mix(digest, uint64(e.Offset))
	digest = mix(digest, uint64(e.Length)<<32^e.Conn.Number)
	digest = mixString(digest, e.From)
	digest = mixString(digest, e.To)
	digest = mixString(digest, e.Conn.Host)
	digest = mixString(digest, e.Conn.Network)
	if e.Note != "" {
		digest = mixString(digest, e.Note)
	}
	return digest
}

func mixString(digest uint64, s string) uint64 {
	for ; len(s) >= 8; s = s[8:] {
		digest = mix(digest, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
	}
	last := uint64(len(s)) << 56
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	return mix(digest, last)
}

// hash returns what tells bytes apart in a trace: the same on every platform, and
// much faster than bytes are copied.
func hash(data []byte) uint32 { return uint32(xxh3.Hash(data)) }

// faultLocked records that something was done to the network.
func (s *Sim) faultLocked(what, from, to string) {
	s.recordLocked(Event{Kind: Fault, From: from, To: to, Note: what})
}

// hostEventLocked records that something was done to a host.
func (h *Host) hostEventLocked(what string) {
	h.sim.recordLocked(Event{Kind: HostEvent, To: h.name, Note: what})
}
