package trace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Event is something that happened on a network.
type Event struct {
	At     time.Duration // since the start of the trace
	Kind   Kind
	From   string // the sending host; for a wrapped connection, its address
	To     string // the host that it happened to, or its address
	Conn   Conn
	Offset int64  // of the first byte in the stream; for datagrams, their number from 0
	Length int    // in bytes
	Hash   uint32 // of the bytes: the low half of their XXH3-64; 0 if unknown
	Note   string // details: the reason for a loss, or the name of a fault

	// The following fields are not part of the digest.

	// Took is the travel time of the bytes: they, or the first of them, left From at
	// At-Took. Zero means none, or unknown. For a Delay it is the delay beyond the usual
	// travel time.
	Took time.Duration

	// Payload contains the bytes, if they were recorded: all of them, or the first ones.
	Payload string

	// Packet describes the packet of an event of kind Packet or Arrive, and of a Drop if
	// packets are recorded; otherwise it is nil. It must not be changed.
	Packet *PacketInfo
}

// A Conn names a connection or a datagram socket: by the host that dialed or opened it
// (for a wrapped connection, its local address), and by its number among the connections
// of that host. The zero Conn is none.
type Conn struct {
	Host    string
	Network string // "tcp", "udp" or "unix"
	Number  uint64 // from 1
}

// String returns the name, such as "poet/tcp#3", or "" for the zero Conn.
func (c Conn) String() string {
	if c == (Conn{}) {
		return ""
	}
	return c.Host + "/" + c.Network + "#" + strconv.FormatUint(c.Number, 10)
}

// ParseConn parses a name in the form that [Conn.String] returns.
func ParseConn(name string) (Conn, error) {
	if name == "" {
		return Conn{}, nil
	}
	slash := strings.LastIndexByte(name, '/')
	hash := strings.LastIndexByte(name, '#')
	if slash >= 0 && hash > slash+1 {
		c := Conn{Host: name[:slash], Network: name[slash+1 : hash]}
		var err error
		if c.Number, err = strconv.ParseUint(name[hash+1:], 10, 64); err == nil && c.String() == name {
			return c, nil
		}
	}
	return Conn{}, fmt.Errorf("%q is not the name of a connection: it must have a host, a network and a number, as in \"poet/tcp#3\"", name)
}

// String returns the event as one line.
func (e Event) String() string {
	words := []string{e.At.String(), e.Kind.String()}
	if e.From != "" || e.To != "" {
		words = append(words, e.From+">"+e.To)
	}
	if e.Conn != (Conn{}) {
		words = append(words, e.Conn.String())
	}
	switch {
	case e.Kind == Data || e.Length > 0:
		bytes := fmt.Sprintf("offset %d, %d bytes", e.Offset, e.Length)
		if e.Hash != 0 {
			bytes += fmt.Sprintf(", hash %08x", e.Hash)
		}
		words = append(words, bytes)
	case e.Offset > 0:
		words = append(words, fmt.Sprintf("offset %d", e.Offset))
	}
	if e.Kind == Delay {
		words = append(words, "by "+e.Took.String())
	}
	if e.Packet != nil {
		words = append(words, e.Packet.String())
	}
	if e.Note != "" {
		words = append(words, "("+e.Note+")")
	}
	return strings.Join(words, " ")
}
