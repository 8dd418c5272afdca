package simtest_test

import (
	"context"
	"encoding/binary"
	"math/bits"
	"net"
	"time"
)

// A fuzzDatagram is a datagram that was sent. It carries its number.
type fuzzDatagram struct {
	number   uint64
	from, to int
	port     int
	source   string // address and port
	flow     *fuzzFlow
	sequence int // in the flow
	data     []byte
	at       time.Duration
	arrives  time.Duration // on a calm link
	received int
}

// A fuzzFlow is the datagrams from one socket to one port of a host.
type fuzzFlow struct {
	sent, seen int // sequence numbers of the latest datagrams
}

// A fuzzPacketConn is a connected socket.
type fuzzPacketConn struct {
	host   *fuzzHost
	conn   net.Conn
	to     int
	port   int
	closed bool
	since  time.Duration
}

// minDatagram is the minimum size of a datagram, in bytes.
const minDatagram = 16

// datagram returns the next datagram of a host.
func (h *fuzzHost) datagram(source string, to, port, size int) *fuzzDatagram {
	w := h.world
	m := w.model
	now := m.now()
	d := &fuzzDatagram{from: h.number, to: to, port: port, source: source, at: now}
	d.flow = w.flow(source, h, to, port)
	d.flow.sent++
	d.sequence = d.flow.sent
	h.datagrams++
	d.number = uint64(h.number)<<32 | uint64(h.datagrams)
	stream := fuzzStream{pattern: d.number * 0x9e3779b97f4a7c15}
	d.data = stream.bytes(0, minDatagram+size)
	binary.BigEndian.PutUint64(d.data, d.number)
	m.sent[d.number] = d
	if m.program.calm {
		d.arrives = w.reference(source, h.number, to).packet(now, len(d.data))
	}
	return d
}

// fuzzPacketSizes are the sizes of datagrams, less minDatagram.
var fuzzPacketSizes = [8]int{0, 1, 100, 700, 1000, 1385, 1484, 3000}

// sendPacket sends a datagram from the host's own socket.
func (h *fuzzHost) sendPacket(to, b int) {
	w := h.world
	other := w.hosts[to]
	w.mu.Lock()
	packets := h.packets
	addr := &net.UDPAddr{IP: other.host.Addr().AsSlice(), Port: packetPort}
	source := net.JoinHostPort(h.host.Addr().String(), "9")
	if b&8 != 0 {
		addr.IP = other.host.Addr6().AsSlice()
		source = net.JoinHostPort(h.host.Addr6().String(), "9")
	}
	if b&48 == 48 {
		addr.Port = deadPort
	}
	if packets == nil || !h.spendPacket() {
		w.mu.Unlock()
		return
	}
	d := h.datagram(source, to, addr.Port, fuzzPacketSizes[b%8])
	w.mu.Unlock()
	n, err := packets.WriteTo(d.data, addr)
	h.sawPacketSent(d, n, err, false)
}

// sawPacketSent checks the result of writing a datagram.
func (h *fuzzHost) sawPacketSent(d *fuzzDatagram, n int, err error, closed bool) {
	w := h.world
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.model
	class := classify(err)
	switch {
	case class == "ok" && n == len(d.data) && !closed:
	case class == "closed" && (closed || m.ending || m.hosts[h.number].down.touch(0, d.at)):
		delete(m.sent, d.number)
	case class == "refused" && m.mayBeRefused(d.to, d.port, 0):
		delete(m.sent, d.number)
	default:
		m.complain("%s sends a datagram: %d, %v", h.name, n, err)
	}
	h.log.add(m.now(), "packet", n, class)
}

// mayBeRefused reports whether a datagram for a port may be refused.
func (m *fuzzModel) mayBeRefused(host, port int, since time.Duration) bool {
	now := m.now()
	times := m.port(host, port)
	return !times.listening.cover(since, now) || times.refused.touch(since, now) ||
		m.hosts[host].refused.touch(since, now) || m.hosts[host].down.touch(since, now)
}

// readPackets reads datagrams until the socket closes, and answers some.
func (h *fuzzHost) readPackets(packets net.PacketConn) {
	w := h.world
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := packets.ReadFrom(buffer)
		if err != nil {
			if class := classify(err); class != "closed" {
				w.complain("%s reads datagrams: %v", h.name, err)
			}
			return
		}
		w.mu.Lock()
		d := w.model.sawPacket(h, packetPort, from.String(), buffer[:n])
		h.log.add(w.now(), "packet read", n, "ok")
		if d == nil || d.number%3 != 0 || d.port != packetPort || from.(*net.UDPAddr).Port == packetPort || !h.spendPacket() {
			w.mu.Unlock()
			continue
		}
		source := net.JoinHostPort(h.host.Addr().String(), "9") // connected sockets are IPv4's
		answer := h.datagram(source, d.from, from.(*net.UDPAddr).Port, 10)
		w.mu.Unlock()
		n, err = packets.WriteTo(answer.data, from)
		h.sawPacketSent(answer, n, err, false)
	}
}

// sawPacket checks a datagram that was read, and returns it.
func (m *fuzzModel) sawPacket(h *fuzzHost, port int, from string, data []byte) *fuzzDatagram {
	now := m.now()
	d := m.whichPacket(h.number, port, from, data)
	if d == nil {
		m.complain("%s reads a datagram of %d bytes from %s that was never sent", h.name, len(data), from)
		return nil
	}
	way := m.ways[[2]int{d.from, d.to}]
	most := 1
	if way.duplicates {
		most = 2
	}
	if d.received++; d.received > most {
		m.complain("%s reads a datagram %d times", h.name, d.received)
	}
	switch {
	case m.barred(d.from, d.to, 0, d.at, now), m.isGone(d):
		m.complain("%s reads a datagram that was sent at %v, but must have been lost", h.name, d.at)
	case now < d.at+way.leastLatency(d.at, now):
		m.complain("%s reads a datagram that was sent at %v before %v have passed", h.name, d.at, way.leastLatency(d.at, now))
	case d.sequence < d.flow.seen && !way.varied:
		m.complain("%s reads the datagram %d of a socket after %d, but nothing reorders them", h.name, d.sequence, d.flow.seen)
	case m.probing && m.program.mend && !m.program.calm && now != d.at:
		m.complain("%s reads a datagram that was sent at %v, but all links are perfect", h.name, d.at)
	case m.program.calm && (now < d.arrives || way.link.Rate == 0 && now > d.arrives):
		m.complain("%s reads a datagram that was sent at %v, but is due at %v", h.name, d.at, d.arrives)
	}
	d.flow.seen = d.sequence
	return d
}

// isGone reports whether a datagram was certainly lost when it was sent. Datagrams
// that a paused host sends leave when it is resumed.
func (m *fuzzModel) isGone(d *fuzzDatagram) bool {
	way, host, port := m.ways[[2]int{d.from, d.to}], m.hosts[d.to], m.port(d.to, d.port)
	return !m.hosts[d.from].paused.touch(d.at, d.at) &&
		(way.cut.cover(d.at, d.at) || host.black.cover(d.at, d.at) || port.black.cover(d.at, d.at))
}

// whichPacket returns the datagram that was sent and arrived as data, possibly
// corrupted, or nil.
func (m *fuzzModel) whichPacket(host, port int, from string, data []byte) *fuzzDatagram {
	fits := func(d *fuzzDatagram) bool {
		if d == nil || d.to != host || d.port != port || d.source != from || len(d.data) != len(data) {
			return false
		}
		wrong := 0
		for i := range data {
			wrong += bits.OnesCount8(data[i] ^ d.data[i])
		}
		return wrong == 0 || wrong == 1 && m.ways[[2]int{d.from, d.to}].corrupts
	}
	if len(data) < minDatagram {
		return nil
	}
	number := binary.BigEndian.Uint64(data)
	if d := m.sent[number]; fits(d) {
		return d
	}
	for bit := range 64 {
		if d := m.sent[number^1<<bit]; fits(d) {
			return d
		}
	}
	return nil
}

// doPackets performs a step with a connected socket.
func (h *fuzzHost) doPackets(kind string, a, b int) {
	w := h.world
	if kind == "packet-dial" {
		h.dialPackets(w.hosts[a%len(w.hosts)], b)
		return
	}
	w.mu.Lock()
	if len(h.dialled) == 0 {
		w.mu.Unlock()
		return
	}
	c := h.dialled[a%len(h.dialled)]
	closed := c.closed
	if kind == "packet-close" {
		c.closed = true
		w.mu.Unlock()
		_ = c.conn.Close()
		return
	}
	if !h.spendPacket() {
		w.mu.Unlock()
		return
	}
	d := h.datagram(c.conn.LocalAddr().String(), c.to, c.port, fuzzPacketSizes[b%8])
	w.mu.Unlock()
	n, err := c.conn.Write(d.data)
	h.sawPacketSent(d, n, err, closed)
}

// dialPackets opens a connected socket.
func (h *fuzzHost) dialPackets(other *fuzzHost, b int) {
	w := h.world
	port := packetPort
	if b%4 == 0 {
		port = deadPort
	}
	address := &net.UDPAddr{IP: other.host.Addr().AsSlice(), Port: port}
	conn, err := h.host.DialContext(context.Background(), "udp", address.String())
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if now := w.now(); classify(err) != "net down" || !w.model.hosts[h.number].down.touch(now, now) {
			w.model.complain("%s opens a socket: %v", h.name, err)
		}
		return
	}
	c := &fuzzPacketConn{host: h, conn: conn, to: other.number, port: port, since: w.now()}
	h.dialled = append(h.dialled, c)
	w.start(c.readAll)
}

// readAll reads datagrams until the socket closes.
func (c *fuzzPacketConn) readAll() {
	w, h := c.host.world, c.host
	local := c.conn.LocalAddr().(*net.UDPAddr)
	buffer := make([]byte, 1<<16)
	for {
		n, err := c.conn.Read(buffer)
		class := classify(err)
		w.mu.Lock()
		h.log.add(w.now(), "socket read", n, class)
		over := false
		switch {
		case class == "ok":
			w.model.sawPacket(h, local.Port, c.conn.RemoteAddr().String(), buffer[:n])
		case class == "refused" && w.model.mayBeRefused(c.to, c.port, c.since):
		case class == "closed" && (c.closed || w.model.ending || h.mayHaveCrashed(c.since, w.now())):
			over = true
		default:
			over = true
			w.model.complain("%s reads from a connected socket: %v", h.name, err)
		}
		w.mu.Unlock()
		if over {
			return
		}
	}
}
