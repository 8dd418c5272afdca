package simtest

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A packetPath is the path of a socket's datagrams to one host.
type packetPath struct {
	line  // datagrams with equal ties keep their order
	flow  netem.PacketFlow
	route *route
	back  *route
}

// send sends a datagram by a system call, which is "write" for the address to which the
// socket is connected. It never waits.
func (c *packetConn) send(call string, p []byte, to netip.AddrPort) (int, error) {
	if to.Addr().IsUnspecified() {
		to = c.family.destination(to)
	}
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if err := c.sendErrorLocked(call, len(p), to); err != nil {
		return 0, c.opError("write", c.family.addr(to), err)
	}
	data := append([]byte(nil), p...)
	var by *written
	if r := c.sim.trace.recording; r != nil {
		by = r.sent(len(data))
	}
	c.posted++
	c.sim.postLocked(action{
		key:  key{host: c.host.number, conn: firstSocket + c.number, sequence: c.posted},
		host: c.host,
		do:   func() { c.sendLocked(data, by, to) },
	})
	return len(p), nil
}

// sendErrorLocked returns the error of sending a datagram, if any.
func (c *packetConn) sendErrorLocked(call string, size int, to netip.AddrPort) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.writeDeadline.hasPassedLocked():
		return os.ErrDeadlineExceeded
	case c.err != 0:
		return c.errorLocked(call)
	case !to.IsValid() && call == "write":
		return syscallError(call, syscall.EDESTADDRREQ)
	case !to.IsValid():
		return errMissingAddress
	case c.local.Addr().Is4() && !to.Addr().Is4():
		return &net.AddrError{Err: "non-IPv4 address", Addr: to.Addr().String()}
	case c.local.Addr().Is6() && !c.dual && to.Addr().Is4():
		return syscallError(call, syscall.ENETUNREACH)
	case to.Port() == 0:
		return syscallError(call, syscall.EINVAL)
	case size > maxPacket4 && to.Addr().Is4(), size > maxPacket6:
		return syscallError(call, syscall.EMSGSIZE)
	}
	return nil
}

// sendLocked sends a datagram. Only the loop calls this and the following functions.
func (c *packetConn) sendLocked(data []byte, by *written, to netip.AddrPort) {
	s := c.sim
	e := trace.Event{Kind: trace.Drop, From: c.host.name, Conn: c.id(), Length: len(data), Hash: hash(data)}
	host := c.host.hostOfLocked(to.Addr())
	if host == nil {
		e.To, e.Note = to.String(), "no such host"
		c.leavesLocked(&e, data, to)
		s.recordDatagramLocked(e, data, by)
		c.toldLocked(to, syscall.EHOSTUNREACH, s.now())
		return
	}
	e.To = host.name
	path := c.pathLocked(host)
	c.crossed++
	info := c.leavesLocked(&e, data, to)
	switch {
	case c.host.down:
		e.Note = "host is down"
	case path.route.blocked:
		e.Note = "partition"
	case host.blackholesLocked(packet{from: c.host, family: familyOf(to.Addr()), port: to.Port()}):
		e.Note = "blackhole"
	default:
		from := c.local
		if from.Addr().IsUnspecified() {
			from = netip.AddrPortFrom(c.host.sourceLocked(to.Addr()), from.Port())
		}
		sent := s.instant
		arrives := func(hold int32, at time.Duration, data []byte) {
			s.travelSinceLocked(path.route, hold, at, &event{
				host: host,
				line: &path.line,
				do:   func() { c.deliverLocked(host, data, by, from, to, sent, info) },
			})
		}
		dropped := func(why string) {
			e.Note = why
			s.recordDatagramLocked(e, data, by)
		}
		if hasAccess(c.host, host) {
			hold := path.route.holdsNow()
			path.crossLocked(c.host, host, data, c.crossed, func(at time.Duration, data []byte) { arrives(hold, at, data) }, dropped)
			return
		}
		path.sendLocked(s, len(data), func(p netem.Packet) {
			arrives(path.route.holdsNow(), p.Arrive, flip(data, p.Flip))
		}, func(why netem.Drop) { dropped(why.String()) })
		return
	}
	path.flow.Skip()
	s.recordDatagramLocked(e, data, by)
}

// sendLocked sends n bytes on the line, and calls, now or later, arrives for each
// packet that arrives, or dropped with the reason if none does.
func (p *packetPath) sendLocked(s *Sim, n int, arrives func(netem.Packet), dropped func(netem.Drop)) {
	var tag any
	if p.route.waits() || p.route.link.Pace.Wait > 0 {
		tag = &queued{arrives, dropped}
	}
	packets, drop := p.flow.SendTagged(s.instant, n, tag)
	if tag != nil {
		s.stepLoop(&p.route.hop)
	}
	if drop != netem.NotDropped && drop != netem.Queued {
		dropped(drop)
	}
	for _, packet := range packets {
		arrives(packet)
	}
}

// recordDatagramLocked adds an event of a datagram; by may be nil.
func (s *Sim) recordDatagramLocked(e trace.Event, data []byte, by *written) {
	if r := s.trace.recording; r != nil {
		s.trace.arrived = r.bytes(data, nil, by)
	}
	if s.trace.payloads != 0 {
		e.Payload = payload(data, nil, s.trace.payloads)
	}
	s.recordLocked(&e)
}

// flip returns a copy of data with one bit flipped, or data itself if bit is negative.
func flip(data []byte, bit int) []byte {
	if bit < 0 {
		return data
	}
	data = append([]byte(nil), data...)
	data[bit/8] ^= 1 << (bit % 8)
	return data
}

// pathLocked returns the path to a host.
func (c *packetConn) pathLocked(host *Host) *packetPath {
	path := c.paths[host]
	if path == nil {
		path = &packetPath{
			route: c.sim.routeLocked(c.host.name, host.name),
			back:  c.sim.routeLocked(host.name, c.host.name),
		}
		path.flow.Init(&path.route.line, mix64.Mix(uint64(c.host.number), firstSocket+c.number))
		c.paths[host] = path
	}
	return path
}

// deliverLocked handles the arrival of a datagram at a host.
func (c *packetConn) deliverLocked(host *Host, data []byte, by *written, from, to netip.AddrPort, sent time.Duration, info *trace.PacketInfo) {
	s := c.sim
	e := trace.Event{
		Kind: trace.Data, From: c.host.name, To: host.name, Conn: c.id(), Length: len(data), Hash: hash(data), Took: s.instant - sent,
	}
	if info != nil && !host.down {
		s.recordPacketLocked(trace.Arrive, e, string(data), info)
	}
	socket := host.socketLocked(to, from)
	switch {
	case host.down:
		e.Kind, e.Note = trace.Drop, "host is down"
	case socket == nil, host.refusesLocked(packet{from: c.host, family: familyOf(to.Addr()), port: to.Port()}):
		e.Kind, e.Note = trace.Drop, "nobody has the port"
		path := c.pathLocked(host)
		if !path.back.blocked && !c.host.blackholesLocked(packet{from: host, family: familyOf(to.Addr()), port: c.local.Port()}) {
			back := wayOf(host, c.host, path.back)
			c.toldLocked(to, syscall.ECONNREFUSED, timeline.Add(s.now(), back.latency()))
		}
	case socket.inbox.len() > 0 && socket.size+max(1, len(data)) > socket.buffer:
		e.Kind, e.Note = trace.Drop, "receive buffer full"
	default:
		socket.inbox.push(datagram{data: data, from: from})
		socket.size += max(1, len(data))
		socket.goOnReadingLocked()
	}
	if e.Kind == trace.Drop {
		e.Packet = info
	}
	s.recordDatagramLocked(e, data, by)
}

// toldLocked delivers the network's error about a datagram to the connected socket that
// sent it.
func (c *packetConn) toldLocked(to netip.AddrPort, errno syscall.Errno, at time.Duration) {
	if c.remote != to {
		return
	}
	c.sim.callAtLocked(at, c.host, func() {
		if !c.closed {
			c.err = errno
			c.goOnReadingLocked()
		}
	})
}
