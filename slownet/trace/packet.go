package trace

import (
	"fmt"
	"net/netip"
	"strings"
)

// A PacketInfo contains the headers of a packet. For a datagram only Number, From, To and
// Size are set.
//
// Positions in a stream count as in RFC 9293, from an initial sequence number of 0: the
// SYN is 0, the first byte is 1. They do not wrap around.
type PacketInfo struct {
	Number   uint64 // the same when the packet leaves and when it arrives
	From, To netip.AddrPort
	Flags    Flags
	Seq      int64 // of the first byte of the payload, or of the SYN or FIN
	Ack      int64 // the next byte that the sender expects, if Flags has ACK
	Window   int   // the number of bytes, from Ack on, that the sender can receive
	Size     int   // in bytes, with the headers of IP and TCP or UDP, as the link counts it

	// SACK contains the blocks of selective acknowledgments, the most recent first. Each
	// block is the first byte and the one after the last.
	SACK [][2]int64

	// Resent is set if the payload, SYN or FIN was sent before.
	Resent bool

	// Congestion is the sender's congestion window in bytes after it has sent the packet;
	// 0 if unknown.
	Congestion int
}

// Flags are the control bits of a TCP segment, as in its header.
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << 0
	SYN Flags = 1 << 1
	RST Flags = 1 << 2
	PSH Flags = 1 << 3
	ACK Flags = 1 << 4
)

// String returns the names of the bits that are set, such as "SYN|ACK".
func (f Flags) String() string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

// String returns the headers as short text.
func (p *PacketInfo) String() string {
	words := []string{fmt.Sprintf("%v>%v", p.From, p.To)}
	if p.Flags != 0 {
		words = append(words, p.Flags.String(), fmt.Sprintf("seq %d", p.Seq))
	}
	if p.Flags&ACK != 0 {
		words = append(words, fmt.Sprintf("ack %d window %d", p.Ack, p.Window))
	}
	for _, block := range p.SACK {
		words = append(words, fmt.Sprintf("sack %d-%d", block[0], block[1]))
	}
	if p.Resent {
		words = append(words, "sent again")
	}
	return strings.Join(words, " ")
}
