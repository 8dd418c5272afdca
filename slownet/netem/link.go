package netem

import (
	"errors"
	"fmt"
	"time"
)

// A Link describes one direction of a path. All that crosses it, see [Line],
// shares what it has: rate, queue, and what is random; only the Pace is each
// connection's and socket's own. In package simtest that is all that one host sends
// to another, in package slownet all connections of one Dialer, Listener or Path.
// Two of these with equal Links share nothing but the [Bottleneck] that both name. The
// zero Link passes everything at once.
//
// A packet's size is what is sent on the line: TCP's segments have headers of 52
// bytes, while datagrams and ideal streams have none.
//
// What is random about a link (jitter, loss and so on) is drawn from a seed
// that is handed in with it: the same seed gives the same, on every platform.
type Link struct {
	// Latency is how long a byte is under way, one way: half of what ping
	// shows. Zero is none.
	Latency time.Duration `json:"latency,omitzero"`

	// Jitter varies the latency from packet to packet. Zero is none.
	Jitter Jitter `json:"jitter,omitzero"`

	// Rate is how many bits per second pass. Zero is no limit.
	Rate Rate `json:"rate,omitzero"`

	// Replay, if it is not nil, takes the place of Rate: bytes pass when the
	// trace of a real link says so.
	Replay *Replay `json:"replay,omitzero"`

	// Bottleneck, if it is not nil, takes the place of Rate: all links that are
	// given the same one share what it passes, and the queue before it.
	Bottleneck *Bottleneck `json:"-"`

	// Pace cuts a stream into pieces with a wait after each. It is each
	// connection's own: others on the link are not slowed down by it. Zero leaves
	// the stream whole.
	Pace Pace `json:"pace,omitzero"`

	// Queue is where packets wait for the rate, the replay or the bottleneck, and
	// which of them it drops. The zero Queue is first in, first out, with room for 1,000
	// packets, netem's default.
	Queue Queue `json:"queue,omitzero"`

	// MTU is the size in bytes of the largest packet. A stream is cut into
	// packets of that size where they matter, because they pass at a rate or
	// can be lost; zero is 1,500, Ethernet's. A datagram that is larger is
	// dropped; zero is no limit. Datagrams have no headers: of those that pass an
	// MTU of 1,500 on a real network the payload has 1,472 bytes over IPv4 and 1,452
	// over IPv6, so give 28 or 48 less for the same.
	MTU int `json:"mtu,omitzero"`

	// DropOversize makes packets that are larger than the MTU vanish on streams
	// too: an MTU black hole (RFC 2923, section 2.1), as a tunnel is whose ICMP
	// messages a firewall drops. Streams then never learn of an MTU below
	// Ethernet's 1,500 bytes, and are cut into packets of that size: what fits into
	// a packet of the MTU arrives, and more than that never does, so that the
	// sender gives up with ETIMEDOUT. It needs an MTU.
	DropOversize bool `json:"dropOversize,omitzero"`

	// Loss is how packets are lost. Zero is none.
	Loss Loss `json:"loss,omitzero"`

	// Duplicate is the chance of a packet to arrive twice.
	Duplicate Chance `json:"duplicate,omitzero"`

	// Corrupt is the chance of a packet to arrive with one bit changed. On a
	// stream the receiver's checksum sees to it that such a packet is as good
	// as lost.
	Corrupt Chance `json:"corrupt,omitzero"`

	// Reorder is the chance of a packet to overtake those before it, as it
	// passes without latency and jitter. On a stream it waits for them at the
	// other end.
	Reorder Chance `json:"reorder,omitzero"`
}

// A Pace lets at most a number of bytes pass, then waits, and so on. It is the
// way in which a slow server dribbles: ten bytes, a tenth of a second, ten
// bytes.
//
// Every piece is followed by the wait, whether it was full or not, and the
// last one too: what comes next, be it the end of the stream, comes after it.
// A datagram passes whole, and is followed by as many waits as it would have
// been cut into pieces.
type Pace struct {
	// Bytes is the most that pass at a time. Zero is no limit.
	Bytes int `json:"bytes,omitzero"`

	// Wait is how long nothing passes after each piece. Zero is no wait.
	Wait time.Duration `json:"wait,omitzero"`
}

// A Chance is how likely something befalls a packet.
type Chance struct {
	// Probability is between 0, never, and 1, always.
	Probability float64 `json:"probability"`

	// Correlation is between 0 and 1: how much a packet's fate is that of the
	// packet before. It makes what happens come in bursts and leaves its share
	// as it is. (In netem, whose parameter this is, a correlation also makes
	// what is rare rarer.)
	Correlation float64 `json:"correlation,omitzero"`
}

// IsZero reports whether the link passes everything at once.
func (l Link) IsZero() bool { return l == Link{} }

// ArrivesAtOnce reports whether bytes of a stream are under way for no
// time.
func (l *Link) ArrivesAtOnce() bool {
	return l.Latency == 0 && l.Jitter.Deviation == 0 && !l.hasPackets()
}

// hasPackets reports whether it matters that a stream travels in packets.
func (l *Link) hasPackets() bool {
	return l.hasCapacity() || l.isFaulty() || l.vanishes(l.PacketSize())
}

// LosesNothing reports whether no packet is lost or corrupted, but by a queue, or
// because it is larger than the MTU.
func (l *Link) LosesNothing() bool { return l.Loss == Loss{} && l.Corrupt == Chance{} }

// hasCapacity reports whether only so many bytes pass.
func (l *Link) hasCapacity() bool { return l.Rate > 0 || l.Replay != nil || l.Bottleneck != nil }

// drops reports whether a packet of n bytes is larger than the MTU.
func (l *Link) drops(n int) bool { return l.MTU > 0 && n > l.MTU }

// isFaulty reports whether something may befall a packet.
func (l *Link) isFaulty() bool {
	return l.Loss != Loss{} || l.Duplicate != Chance{} || l.Corrupt != Chance{} || l.Reorder != Chance{}
}

// vanishes reports whether a stream's packet of n bytes is dropped for its size.
func (l *Link) vanishes(n int) bool { return l.DropOversize && l.drops(n) }

// PacketSize returns the size of the packets of a stream, in bytes.
func (l *Link) PacketSize() int {
	if l.MTU == 0 || l.DropOversize && l.MTU < defaultMTU {
		return defaultMTU
	}
	return l.MTU
}

// defaultMTU is an Ethernet frame's worth.
const defaultMTU = 1500

// Validate reports the first field of the link that cannot be, with its value
// and what is allowed. Links that come from a file, a flag or a user are to be
// validated; the constructors of this package panic on an invalid link, which
// is a bug of the program that made it.
func (l Link) Validate() error {
	if err := l.invalid(); err != nil {
		return fmt.Errorf("netem: %w", err)
	}
	return nil
}

func (l *Link) invalid() error {
	switch {
	case l.Latency < 0:
		return mustBe("Latency", l.Latency, "0 or more")
	case l.Rate < 0:
		return mustBe("Rate", l.Rate, "0 (no limit) or more")
	case l.Replay != nil && l.Rate > 0:
		return &invalidError{
			fmt.Sprintf("Rate is %v and there is a Replay: only one of them can say how much passes", l.Rate),
			"there are a rate and a replay: only one of them can say how much passes",
		}
	case l.Bottleneck != nil && l.Rate > 0:
		return fmt.Errorf("Rate is %v and there is a Bottleneck: only one of them can say how much passes", l.Rate)
	case l.Bottleneck != nil && l.Replay != nil:
		return errors.New("there are a Replay and a Bottleneck: only one of them can say how much passes")
	case l.Replay != nil && len(l.Replay.slots) == 0:
		return errors.New("the Replay is empty: it must come from ParseReplay")
	case l.MTU < 0:
		return mustBe("MTU", l.MTU, "0 (the default) or more bytes")
	case l.DropOversize && l.MTU == 0:
		return &invalidError{
			"DropOversize is set and MTU is 0: set MTU to the size of the largest packet that is not dropped",
			"dropOversize is true and there is no mtu: give the size of the largest packet that is not dropped",
		}
	}
	if err := l.Pace.invalid(); err != nil {
		return err
	}
	if err := l.Queue.invalid(); err != nil {
		return err
	}
	if err := l.Jitter.invalid(); err != nil {
		return err
	}
	if err := l.Loss.invalid(); err != nil {
		return err
	}
	for _, chance := range []struct {
		name string
		Chance
	}{{"Duplicate", l.Duplicate}, {"Corrupt", l.Corrupt}, {"Reorder", l.Reorder}} {
		if chance.Chance == (Chance{}) {
			continue // most have none, and to make their names costs memory
		}
		if err := invalidShares(
			share{chance.name + ".Probability", chance.Probability},
			share{chance.name + ".Correlation", chance.Correlation},
		); err != nil {
			return err
		}
	}
	return nil
}

// mustBeValid panics on an invalid link.
func (l Link) mustBeValid() {
	if err := l.Validate(); err != nil {
		panic(err.Error())
	}
}
