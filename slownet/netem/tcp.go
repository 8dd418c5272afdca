package netem

import (
	"fmt"
	"math"
	"time"
)

// A TCP configures the ends of a connection. The zero TCP is Linux's default.
// The fields after Congestion apply to [CUBIC] and [Reno] only.
type TCP struct {
	// Congestion is the congestion control algorithm. Zero is [CUBIC].
	Congestion Congestion

	// KeepAlive configures keep-alive probes. Zero is the net package's
	// default.
	KeepAlive KeepAlive

	// Window, if it is not zero, is the size in bytes of both buffers: the send
	// buffer, for bytes that were written and are not yet acknowledged, and the
	// receive buffer, for bytes that have arrived and were not yet read. Zero
	// selects Linux's buffers, which grow when they limit the connection, up to
	// 4 MiB for sending and 6 MiB for receiving (Linux's maximum up to 6.15; it has
	// been 32 MiB since then). In package simtest, Window
	// takes precedence over simtest.Config.Window.
	Window int

	// UserTimeout is the time that retransmitted data may stay unacknowledged
	// before the connection ends: Linux's TCP_USER_TIMEOUT (RFC 5482). It counts
	// from the first retransmission. It also limits the time that keep-alive
	// probes may stay unanswered, and ends an unanswered dial, but not before the
	// first SYN would be retransmitted, after a second. Zero is 15 to 18 minutes
	// for data, depending on the timer, and 131 s for a dial.
	UserTimeout time.Duration
}

// A Congestion is a congestion control algorithm.
type Congestion int

// The congestion control algorithms.
const (
	// CUBIC is RFC 9438 with HyStart, as in Linux.
	CUBIC Congestion = iota + 1

	// Reno is RFC 5681: the window grows by a segment each round trip, and is
	// halved when a segment is lost.
	Reno

	// Unlimited is not TCP but an ideal stream: it uses the link's rate from
	// the first byte on, with 1,500 bytes per packet and no headers. A lost
	// packet is retransmitted after three later packets have arrived, or when
	// the timer expires. Drivers use a [Flow] for it; an [End] does not support
	// it.
	Unlimited
)

// String returns the algorithm's name as Linux spells it.
func (c Congestion) String() string {
	switch c {
	case 0:
		return "default"
	case CUBIC:
		return "cubic"
	case Reno:
		return "reno"
	case Unlimited:
		return "unlimited"
	}
	return fmt.Sprintf("Congestion(%d)", int(c))
}

// Validate reports the first invalid field, with its value and what is allowed.
func (t TCP) Validate() error {
	switch {
	case t.Congestion < 0 || t.Congestion > Unlimited:
		return fmt.Errorf("netem: %w", mustBe("TCP.Congestion", t.Congestion, "CUBIC, Reno or Unlimited, or 0 for CUBIC"))
	case t.Window < 0:
		return fmt.Errorf("netem: %w", mustBe("TCP.Window", t.Window, "0 (Linux's buffers, which grow) or more bytes"))
	case t.UserTimeout < 0:
		return fmt.Errorf("netem: %w", mustBe("TCP.UserTimeout", t.UserTimeout, "0 (Linux's 15 to 18 minutes) or more"))
	}
	return nil
}

// mustHaveEnds panics if an End does not support t.
func (t *TCP) mustHaveEnds() {
	if t.Congestion == Unlimited {
		panic("netem: TCP.Congestion is unlimited: an ideal stream has no End, use a Flow")
	}
	if err := t.Validate(); err != nil {
		panic(err.Error())
	}
}

// Never is a time that is never reached.
const Never time.Duration = math.MaxInt64

const (
	// MSS is the payload of a full segment: an Ethernet frame's 1,500 bytes
	// without the headers of IPv4 and TCP, timestamps included.
	MSS = 1500 - HeaderSize

	// HeaderSize is the size in bytes of the headers of IPv4 and TCP, with
	// timestamps, and of a segment without payload.
	HeaderSize = 20 + 20 + 12
)

// A Segment is a TCP segment. Sequence numbers count the bytes of the stream
// from 0, without wrapping. A SYN takes none; a FIN takes one, as if it were a
// byte after the payload.
type Segment struct {
	Flags  Flags
	Tag    uint32 // for the driver: an End neither sets nor reads it
	Seq    int64  // of the first byte of the payload
	Len    int    // of the payload
	Ack    int64  // the next byte that the sender of the segment expects
	Window int    // the number of bytes from Ack on that the sender has room for

	// SACK holds the selective acknowledgements, the most recent first. The
	// first block reports a duplicate (RFC 2883) if it is below Ack or within
	// the second block.
	SACK  [3]Block
	SACKs int // the number of blocks that are set

	TSVal time.Duration // time at which the segment was sent
	TSEcr time.Duration // TSVal of the segment that this one answers
}

// Flags are a segment's control bits.
type Flags uint8

// The control bits.
const (
	SYN Flags = 1 << iota
	ACK
	FIN
	RST
)

// String returns the names of the bits that are set.
func (f Flags) String() string {
	text := ""
	for i, name := range []string{"SYN", "ACK", "FIN", "RST"} {
		if f&(1<<i) != 0 {
			if text != "" {
				text += "|"
			}
			text += name
		}
	}
	return text
}

// end returns the first sequence number after the segment.
func (s *Segment) end() int64 {
	end := s.Seq + int64(s.Len)
	if s.Flags&FIN != 0 {
		end++
	}
	return end
}

// A Block is a range of sequence numbers from Start up to, but not including,
// End.
type Block struct{ Start, End int64 }

// Size returns the size in bytes of the IP packet that carries the segment.
func (s *Segment) Size() int { return HeaderSize + s.Len }
