package simtest

import (
	"net/netip"
	"slices"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A packetLog is the state with which an end records its packets.
type packetLog struct {
	first   int64  // stream offset of bytes[0]
	bytes   []byte // written and not acknowledged yet
	sent    int64  // the end of everything sent
	sentSYN bool
}

// keep stores bytes that the user writes.
func (m *machine) keep(p []byte) {
	if m.log == nil {
		m.log = &packetLog{}
	}
	m.log.bytes = append(m.log.bytes, p...)
}

// payload returns the stored bytes of a segment.
func (l *packetLog) payload(segment *netem.Segment) string {
	from := segment.Seq - l.first
	to := min(from+int64(segment.Len), int64(len(l.bytes)))
	if segment.Len == 0 || from < 0 || from >= to {
		return ""
	}
	return string(l.bytes[from:to])
}

// forget drops acknowledged bytes before an offset.
func (l *packetLog) forget(before int64) {
	if n := min(before-l.first, int64(len(l.bytes))); n > 0 {
		l.first, l.bytes = l.first+n, l.bytes[n:]
	}
}

// leavesLoop records that a segment leaves, and numbers it.
func (c *conn) leavesLoop(segment *netem.Segment) {
	m := c.tcp
	if m.log == nil {
		m.log = &packetLog{}
	}
	l := m.log
	l.forget(m.end.Written() - m.end.Unacked())
	c.sim.trace.number++
	segment.Tag = c.sim.trace.number
	info := c.packetInfo(segment)
	end := segment.Seq + int64(segment.Len)
	if segment.Len > 0 && end == m.end.Written() {
		info.Flags |= trace.PSH
	}
	if segment.Flags&netem.FIN != 0 {
		end++
	}
	if segment.Flags&netem.SYN != 0 {
		info.Resent, l.sentSYN = l.sentSYN, true
	} else if end > segment.Seq {
		info.Resent = end <= l.sent
		l.sent = max(l.sent, end)
	}
	if segment.Flags&netem.RST == 0 {
		info.Congestion = m.end.CongestionWindow()
	}
	e := trace.Event{From: c.host.name, To: c.far.name, Conn: c.id(), Offset: max(0, segment.Seq), Length: segment.Len}
	c.sim.recordPacketLocked(trace.Packet, e, l.payload(segment), info)
}

// arrivesLoop records that a segment has arrived here. Its payload was recorded when it
// left.
func (c *conn) arrivesLoop(segment *netem.Segment) {
	e := trace.Event{From: c.far.name, To: c.host.name, Conn: c.id(), Offset: max(0, segment.Seq), Length: segment.Len}
	if segment.Flags&netem.RST == 0 {
		e.Took = c.sim.instant - segment.TSVal
	}
	c.sim.recordPacketLocked(trace.Arrive, e, "", c.peer.packetInfo(segment))
}

// lostPacket returns the headers of a lost segment for the trace, or nil if packets are
// not recorded.
func (c *conn) lostPacket(segment *netem.Segment) *trace.PacketInfo {
	if !c.sim.trace.packets {
		return nil
	}
	return c.packetInfo(segment)
}

// packetInfo returns the headers of a segment that the end has sent, for the trace.
// In the trace the SYN has sequence number 0, and the first byte 1.
func (c *conn) packetInfo(segment *netem.Segment) *trace.PacketInfo {
	info := &trace.PacketInfo{
		Number: uint64(segment.Tag), From: unmapped(c.local.AddrPort), To: unmapped(c.remote.AddrPort),
		Seq: segment.Seq + 1, Window: segment.Window, Size: segment.Size(),
	}
	for _, flag := range []struct {
		here  netem.Flags
		there trace.Flags
	}{{netem.FIN, trace.FIN}, {netem.SYN, trace.SYN}, {netem.RST, trace.RST}, {netem.ACK, trace.ACK}} {
		if segment.Flags&flag.here != 0 {
			info.Flags |= flag.there
		}
	}
	if info.Flags&trace.SYN != 0 {
		info.Seq = 0
	}
	if info.Flags&trace.ACK != 0 {
		info.Ack = segment.Ack + 1
	}
	for _, block := range segment.SACK[:segment.SACKs] {
		info.SACK = append(info.SACK, [2]int64{block.Start + 1, block.End + 1})
	}
	return info
}

// unmapped returns an address. IPv4-mapped addresses, which dual-stack listeners have, are
// converted to IPv4.
func unmapped(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// leavesLocked records that a datagram leaves, and returns its headers for the trace.
// The headers are also stored in e, which is recorded if the datagram is lost. If
// packets are not recorded, there are none.
func (c *packetConn) leavesLocked(e *trace.Event, data []byte, to netip.AddrPort) *trace.PacketInfo {
	s := c.sim
	if !s.trace.packets || c.host.down {
		return nil
	}
	from := c.local
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(c.host.sourceLocked(to.Addr()), from.Port())
	}
	s.trace.number++
	e.Packet = &trace.PacketInfo{Number: uint64(s.trace.number), From: unmapped(from), To: unmapped(to), Size: len(data) + 20 + 8}
	if !to.Addr().Unmap().Is4() {
		e.Packet.Size += 20
	}
	s.recordPacketLocked(trace.Packet, *e, string(data), e.Packet)
	return e.Packet
}

// recordQuietLocked records all packets of lazy connections.
func (s *Sim) recordQuietLocked() {
	if !s.trace.packets {
		return
	}
	var quiet []*conn
	for _, h := range s.ordered {
		for c := range h.conns {
			if c.tcp != nil && c.tcp.pair.lazy.on {
				quiet = append(quiet, c)
			}
		}
	}
	slices.SortFunc(quiet, compareConns)
	for _, c := range quiet {
		c.catchUpToLoop(s.now())
	}
}

// recordPacketLocked records a packet that leaves or arrives now.
func (s *Sim) recordPacketLocked(kind trace.Kind, e trace.Event, payload string, info *trace.PacketInfo) {
	e.At, e.Kind, e.Note, e.Payload, e.Packet = s.instant, kind, "", payload, info
	if s.trace.file != nil {
		s.trace.file.write(&e)
	}
	if s.trace.hook != nil {
		s.trace.hook(e)
	}
}
