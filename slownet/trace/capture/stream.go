package capture

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A direction of a connection contains everything that one of its ends sends.
type direction struct {
	initial    uint32 // sequence number
	shift      uint8  // of the window field in its headers
	maxWindow  int
	maxPayload int
	ack        int64      // last sent
	echo       uint32     // the other end's latest timestamp, which it echoes
	other      *direction // the opposite direction; nil if nothing was sent in this one
}

// A directionID identifies a direction.
type directionID struct {
	conn trace.Conn
	from netip.AddrPort
}

// streams are the directions of all connections.
type streams map[directionID]*direction

// directionsOf returns the directions of the connections that packets belong to.
func directionsOf(packets []packet) streams {
	s := make(streams)
	for i := range packets {
		p := &packets[i]
		d := s.of(p.conn, p.info.From)
		d.other = s.of(p.conn, p.info.To)
		d.maxPayload = max(d.maxPayload, p.length)
		if p.info.Flags&(trace.SYN|trace.RST) == 0 {
			d.maxWindow = max(d.maxWindow, p.info.Window)
		}
	}
	for _, d := range s {
		d.shift = uint8(min(14, max(0, bits.Len(uint(d.maxWindow))-16)))
	}
	return s
}

func (s streams) of(conn trace.Conn, from netip.AddrPort) *direction {
	id := directionID{conn, from}
	d := s[id]
	if d == nil {
		d = &direction{initial: uint32(mix64.String(mix64.String(0, conn.String()), from.String()))}
		s[id] = d
	}
	return d
}

// stamp returns the value of the timestamps option at the given time.
func stamp(at time.Duration) uint32 { return uint32(at/time.Millisecond) + 1 }

// window returns the window field of a packet's header, rounded up.
func (d *direction) window(p *trace.PacketInfo) uint16 {
	shift := d.shift
	if p.Flags&trace.SYN != 0 {
		shift = 0
	}
	return uint16(min(0xffff, (p.Window+1<<shift-1)>>shift))
}

// segmentSize returns the maximum segment size that a SYN announces, which the peer's
// segments do not exceed.
func (d *direction) segmentSize(to netip.Addr) uint16 {
	usual := 1460
	if !to.Is4() {
		usual = 1440
	}
	return uint16(min(65495, max(usual, d.other.maxPayload+timestampsSize)))
}

// timestampsSize is the size of the timestamps option in each segment.
const timestampsSize = 12

// options returns the options of a segment that is sent at the given time.
func (d *direction) options(p *trace.PacketInfo, at time.Duration) []layers.TCPOption {
	if p.Flags&trace.RST != 0 {
		return nil
	}
	stamps := binary.BigEndian.AppendUint32(nil, stamp(at))
	stamps = binary.BigEndian.AppendUint32(stamps, d.echo)
	times := layers.TCPOption{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: stamps}
	nop := layers.TCPOption{OptionType: layers.TCPOptionKindNop}
	if p.Flags&trace.SYN != 0 {
		return []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, d.segmentSize(p.To.Addr()))},
			{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
			times, nop,
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{d.shift}},
		}
	}
	options := []layers.TCPOption{nop, nop, times}
	if len(p.SACK) == 0 {
		return options
	}
	var blocks []byte
	for _, block := range p.SACK[:min(3, len(p.SACK))] {
		for _, end := range block {
			blocks = binary.BigEndian.AppendUint32(blocks, d.other.initial+uint32(end))
		}
	}
	return append(options, nop, nop,
		layers.TCPOption{OptionType: layers.TCPOptionKindSACK, OptionLength: uint8(2 + len(blocks)), OptionData: blocks})
}

// header returns the header of a segment that is sent at the given time.
func (d *direction) header(p *trace.PacketInfo, at time.Duration) *layers.TCP {
	h := &layers.TCP{
		SrcPort: layers.TCPPort(p.From.Port()), DstPort: layers.TCPPort(p.To.Port()),
		Seq: d.initial + uint32(p.Seq), Window: d.window(p),
		FIN: p.Flags&trace.FIN != 0, SYN: p.Flags&trace.SYN != 0, RST: p.Flags&trace.RST != 0,
		PSH: p.Flags&trace.PSH != 0, ACK: p.Flags&trace.ACK != 0,
		Options: d.options(p, at),
	}
	if h.ACK {
		h.Ack = d.other.initial + uint32(p.Ack)
	}
	return h
}

// sends records that a packet is sent, and returns its header.
func (s streams) sends(p *packet) *layers.TCP {
	d := s.of(p.conn, p.info.From)
	h := d.header(p.info, p.at)
	if p.info.Flags&trace.ACK != 0 {
		d.ack = max(d.ack, p.info.Ack)
	}
	return h
}

// arrives records that a packet that left at the given time has arrived at the other end,
// which echoes its timestamp (RFC 7323, section 4.3).
func (s streams) arrives(p *packet, left time.Duration) {
	d := s.of(p.conn, p.info.To)
	if p.info.Flags&trace.RST == 0 && p.info.Seq <= d.ack {
		d.echo = max(d.echo, stamp(left))
	}
}
