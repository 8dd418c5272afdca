package trace

import (
	"fmt"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// A Digest is a number computed from events. The zero Digest is the digest of no events.
type Digest uint64

// Add returns the digest with one more event. It covers the event's At, Kind, From, To,
// Conn, Offset, Length, Hash and Note. Events of kind Packet and Arrive do not change it.
func (d Digest) Add(e *Event) Digest {
	if e.Kind == Packet || e.Kind == Arrive {
		return d
	}
	digest := mix64.Mix(uint64(d), uint64(e.At))
	digest = mix64.Mix(digest, uint64(e.Kind)<<32|uint64(e.Hash))
	digest = mix64.Mix(digest, uint64(e.Offset))
	digest = mix64.Mix(digest, uint64(e.Length)<<32^e.Conn.Number)
	digest = mix64.String(digest, e.From)
	digest = mix64.String(digest, e.To)
	digest = mix64.String(digest, e.Conn.Host)
	digest = mix64.String(digest, e.Conn.Network)
	if e.Note != "" {
		digest = mix64.String(digest, e.Note)
	}
	return Digest(digest)
}

// String returns the digest as 16 hexadecimal digits.
func (d Digest) String() string { return fmt.Sprintf("%016x", uint64(d)) }
