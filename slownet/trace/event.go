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
	From   string // the host that something came from; of a wrapped connection, its address
	To     string // the host that it happened to, or its address
	Conn   Conn
	Offset int64  // in the stream, of the first byte; which datagram, counted from 0
	Length int    // in bytes
	Hash   uint32 // of the bytes: the low half of their XXH3-64; 0 if it is not known
	Note   string // more words: why something was lost, which fault it was

	// What follows is not part of the digest.

	// Took is how long the bytes were under way: At-Took is when they left From, or when
	// their first byte did. Zero is not at all, or not known. Of a Delay it is how much
	// later than usual they arrive.
	Took time.Duration

	// Payload is the bytes themselves, if they were asked for: all, or as many of the
	// first ones as were kept.
	Payload string

	// Packet describes the packet of an event of kind Packet or Arrive, and of a Drop
	// where packets are recorded; it is nil in all others. It must not be changed.
	Packet *PacketInfo
}

// A Conn names a connection, or a socket for datagrams: by the host that has dialed or
// opened it (of a wrapped connection, its local address), and by its number among that
// host's. The zero Conn is none.
type Conn struct {
	Host    string
	Network string // "tcp", "udp" or "unix"
	Number  uint64 // from 1
}

// String returns the name, such as "poet/tcp#3", and "" for none.
func (c Conn) String() string {
	if c == (Conn{}) {
		return ""
	}
	return c.Host + "/" + c.Network + "#" + strconv.FormatUint(c.Number, 10)
}

// ParseConn reads a name as [Conn.String] returns it.
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
	return Conn{}, fmt.Errorf("%q is no connection's name: it is a host, a network and a number, as in \"poet/tcp#3\"", name)
}

// String returns the event in a line.
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
