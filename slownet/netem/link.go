package netem

import (
	"errors"
	"fmt"
	"time"
)

// A Link describes one direction of a path. Everything that crosses it (see
// [Line]) shares its rate, its queue and its random state; only the Pace
// applies to each connection and socket separately. In package simtest that is
// everything one host sends to another, in package slownet all connections of
// one Dialer, Listener or Path. Two Dialers with equal Links, for example, share
// nothing except a [Bottleneck] that both Links name. The zero Link passes
// everything at once.
//
// A packet's size includes its headers: TCP segments have 52 bytes of headers,
// datagrams and ideal streams have none.
//
// Random effects (jitter, loss and so on) are drawn from a seed that is passed
// in with the link: the same seed gives the same results on every platform.
type Link struct {
	// Latency is the one-way delay of a byte: half of what ping shows. Zero is
	// none.
	Latency time.Duration `json:"latency,omitzero"`

	// Jitter varies the latency from packet to packet. Zero is none.
	Jitter Jitter `json:"jitter,omitzero"`

	// Rate limits the link to this many bits per second. Zero is no limit.
	Rate Rate `json:"rate,omitzero"`

	// Replay, if it is not nil, replaces Rate: bytes pass at the times in the
	// trace of a real link.
	Replay *Replay `json:"replay,omitzero"`

	// Bottleneck, if it is not nil, replaces Rate: all links with the same
	// Bottleneck share its capacity and its queue.
	Bottleneck *Bottleneck `json:"-"`

	// Pace cuts a stream into pieces with a wait after each. It applies to each
	// connection separately and does not slow down others on the link. Zero
	// leaves the stream whole.
	Pace Pace `json:"pace,omitzero"`

	// Queue holds the packets that wait for the rate, the replay or the
	// bottleneck, and decides which of them are dropped. The zero Queue is a
	// drop-tail FIFO with room for 1,000 packets, netem's default.
	Queue Queue `json:"queue,omitzero"`

	// MTU is the size in bytes of the largest packet. If packets matter, because
	// there is a rate or they can be lost, a stream is cut into packets of that
	// size; zero is 1,500, as on Ethernet. A larger datagram is dropped; zero is
	// no limit. Datagrams have no headers here: on a real network with an MTU of
	// 1,500 the largest payload is 1,472 bytes over IPv4 and 1,452 over IPv6, so
	// set the MTU 28 or 48 lower for the same effect.
	MTU int `json:"mtu,omitzero"`

	// DropOversize silently drops packets larger than the MTU on streams too:
	// an MTU black hole (RFC 2923, section 2.1), such as a tunnel whose ICMP
	// messages a firewall drops. Streams then never discover an MTU below
	// Ethernet's 1,500 bytes and send packets of that size. Data that fits into
	// the MTU arrives; larger packets never do, so the sender gives up with
	// ETIMEDOUT. DropOversize requires an MTU.
	DropOversize bool `json:"dropOversize,omitzero"`

	// Loss describes how packets are lost. Zero is no loss.
	Loss Loss `json:"loss,omitzero"`

	// Duplicate is the chance that a packet arrives twice.
	Duplicate Chance `json:"duplicate,omitzero"`

	// Corrupt is the chance that a packet arrives with one bit flipped. On a
	// stream the receiver's checksum fails, so such a packet is as good as
	// lost.
	Corrupt Chance `json:"corrupt,omitzero"`

	// Reorder is the chance that a packet overtakes those before it, by
	// skipping latency and jitter. On a stream the packet waits for the others
	// at the receiver.
	Reorder Chance `json:"reorder,omitzero"`
}

// A Pace alternates between passing at most a number of bytes and waiting. That
// is how a slow server sends: ten bytes, a tenth of a second, ten bytes.
//
// Every piece is followed by the wait, full or not, the last one included:
// whatever comes next, even the end of the stream, comes after the wait. A
// datagram passes whole, followed by one wait for each piece it would have been
// cut into.
type Pace struct {
	// Bytes is the maximum number of bytes that pass at a time. Zero is no
	// limit.
	Bytes int `json:"bytes,omitzero"`

	// Wait is the pause after each piece. Zero is no wait.
	Wait time.Duration `json:"wait,omitzero"`
}

// A Chance is the probability of an impairment.
type Chance struct {
	// Probability is between 0 (never) and 1 (always).
	Probability float64 `json:"probability"`

	// Correlation is between 0 and 1: the extent to which a packet's outcome
	// depends on that of the packet before. It makes impairments come in bursts
	// without changing the number of packets that they affect. (In netem, where
	// this parameter comes from, a correlation also makes rare impairments
	// rarer.)
	Correlation float64 `json:"correlation,omitzero"`
}

// IsZero reports whether the link passes everything at once.
func (l Link) IsZero() bool { return l == Link{} }

// ArrivesAtOnce reports whether bytes of a stream arrive without any delay.
func (l *Link) ArrivesAtOnce() bool {
	return l.Latency == 0 && l.Jitter.Deviation == 0 && !l.hasPackets()
}

// hasPackets reports whether it matters that a stream is sent in packets.
func (l *Link) hasPackets() bool {
	return l.hasCapacity() || l.isFaulty() || l.vanishes(l.PacketSize())
}

// LosesNothing reports whether packets are never lost or corrupted, except by a
// queue or because they exceed the MTU.
func (l *Link) LosesNothing() bool { return l.Loss == Loss{} && l.Corrupt == Chance{} }

// hasCapacity reports whether the link's capacity is limited.
func (l *Link) hasCapacity() bool { return l.Rate > 0 || l.Replay != nil || l.Bottleneck != nil }

// drops reports whether a packet of n bytes is larger than the MTU.
func (l *Link) drops(n int) bool { return l.MTU > 0 && n > l.MTU }

// isFaulty reports whether packets may be impaired.
func (l *Link) isFaulty() bool {
	return l.Loss != Loss{} || l.Duplicate != Chance{} || l.Corrupt != Chance{} || l.Reorder != Chance{}
}

// vanishes reports whether n bytes that a stream sends at once are dropped for their size.
// They are not if the stream's packets fit into the MTU.
func (l *Link) vanishes(n int) bool { return l.DropOversize && l.drops(n) && l.drops(l.PacketSize()) }

// PacketSize returns the size of the packets of a stream, in bytes.
func (l *Link) PacketSize() int {
	if l.MTU == 0 || l.DropOversize && l.MTU < defaultMTU {
		return defaultMTU
	}
	return l.MTU
}

// defaultMTU is the payload of an Ethernet frame.
const defaultMTU = 1500

// Validate reports the first invalid field of the link, with its value and what
// is allowed. Validate links that come from a file, a flag or a user: the
// constructors of this package panic on an invalid link, which is a bug in the
// calling program.
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
			continue // most have none, and building their names costs memory
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

// mustBeValidIn panics on an invalid link, with the name of the function that was called.
func mustBeValidIn(function string, l Link) {
	if err := l.invalid(); err != nil {
		panic(fmt.Sprintf("netem: %s: %v", function, err))
	}
}

// mustBeValid panics on an invalid link.
func (l Link) mustBeValid() {
	if err := l.Validate(); err != nil {
		panic(err.Error())
	}
}
