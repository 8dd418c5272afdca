package simtest

import (
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// burst is the number of bytes that a connection may write before the loop processes
// them. It keeps data that passes from a writer to a reader at one instant in the
// processor's cache.
const burst = 256 << 10

// A side distinguishes the two ends of a connection.
type side uint8

const (
	dialler side = iota
	accepter
)

// A conn is one end of a simulated connection. One end reads what the other sends from
// its stream. With thousands of connections, the cost of a piece is the memory that it
// touches, so the fields are in the order of their use.
type conn struct {
	sim         *Sim
	peer        *conn    // the other end
	tcp         *machine // nil on an ideal stream
	route, back *route   // to the peer, and from it
	side        side

	// The following, except the hosts, the number and the addresses, is guarded by
	// sim.mu.
	state    netem.State // see finSent and the functions after it
	usage    usage       // by the user
	errnoFor caller      // who gets errno
	resets   bool        // Close is a reset, see SetLinger
	lazy     bool        // over TCP, whether the connection is lazy; see tcp_lazy.go

	// This is independent of state and usage.
	abandoned bool // nothing more is sent, although the user may not know yet

	// The peer waits for a window update. Only the loop changes it.
	windowProbed bool

	host, far *Host  // of this end and of the peer
	number    uint64 // by order of dialling on that host

	// Writing.
	fresh         int // bytes written that the loop has not processed
	room          int // over TCP, least number of bytes that could be written at the loop's last look
	writeDeadline deadline
	posted        [kinds]uint64   // counts actions by kind
	writes        waits[transfer] // calls of Write; the first is in progress
	errno         syscall.Errno   // the error number of a reset, reported once

	// Reading.
	unread       int             // bytes of the stream that have arrived
	taken        int             // bytes read since the last window update
	arrived      int64           // bytes, in total
	reads        waits[transfer] // calls of Read
	notify       func()          // see NotifyReadable
	readDeadline deadline
	dropped      int    // bytes that arrived after the unread ones, at an end that was reset
	stream       stream // of the peer

	hostCrashes  uint32 // number of crashes of its host before the connection was opened
	roomIsExact  bool   // room is not only a lower bound
	line                // of the events that this end sends
	*idealSender        // nil over TCP

	local, remote address
	network       string // as passed to the dial, or that of the listener
}

// A transfer is a call of Read or Write.
type transfer struct {
	p []byte
	n int // bytes of p that were read or written
}

// A tcpConn is a connection over TCP, in one allocation.
type tcpConn struct {
	ends [2]conn
	tcp  pair
}

// newConnPair returns the dialling end of a new connection; its peer is the
// other end.
func newConnPair(network string, from, to *Host, number uint64, local, remote netip.AddrPort) *conn {
	var ends *[2]conn           // side by side, since operations on one touch the other
	var senders *[2]idealSender // nil over TCP
	var tcp *pair               // nil on an ideal stream
	if from.tcp.Congestion == netem.Unlimited || to.tcp.Congestion == netem.Unlimited {
		whole := new(struct {
			ends    [2]conn
			senders [2]idealSender
		})
		ends, senders = &whole.ends, &whole.senders
	} else {
		whole := new(tcpConn)
		ends, tcp = &whole.ends, &whole.tcp
	}
	client, server := &ends[0], &ends[1]
	client.init(from, to, server, dialler, number, local, remote)
	server.init(to, from, client, accepter, number, remote, local)
	client.network = network
	from.ports.dial(client.ports())
	if tcp != nil {
		client.startTCP(tcp)
		return client
	}
	for side := range ends {
		c := &ends[side]
		c.idealSender = &senders[side]
		c.flow.Init(&c.route.line, c.flowName())
	}
	return client
}

func (c *conn) init(host, far *Host, peer *conn, side side, number uint64, local, remote netip.AddrPort) {
	s := host.sim
	*c = conn{
		sim: s, host: host, far: far, peer: peer,
		side:   side,
		number: number,
		local:  address{AddrPort: local},
		remote: address{AddrPort: remote},
		state:  netem.Established,
		route:  s.routeLocked(host.name, far.name),
		back:   s.routeLocked(far.name, host.name),
	}
}

// dialHost returns the host that dialled.
func (c *conn) dialHost() *Host {
	if c.side == dialler {
		return c.host
	}
	return c.far
}

// compareConns orders connections.
func compareConns(a, b *conn) int {
	one, other := a.key(0), b.key(0)
	return compareKeys(&one, &other)
}

// port returns the port of this end.
func (c *conn) port() uint16 { return c.local.Port() }

// id returns the name of the connection in a trace.
func (c *conn) id() trace.Conn {
	return trace.Conn{Host: c.dialHost().name, Network: network, Number: c.number}
}

// network is the network of all connections in a trace.
const network = "tcp"

// openLocked adds the connection to those of its host.
func (c *conn) openLocked() {
	if c.sim.closed {
		c.closes()
		return
	}
	c.host.conns[c] = struct{}{}
	c.hostCrashes = c.host.crashes
}

// ports returns the ports of a dialling end.
func (c *conn) ports() portPair { return portPair{c.port(), c.remote.AddrPort} }

// freePortLocked releases the port of a dialling end.
func (c *conn) freePortLocked() {
	if c.side == dialler {
		c.host.ports.free(c.ports())
	}
}

// SetLinger with zero makes Close a reset. Other values have no effect: Close never
// waits, and written bytes are delivered in the background.
func (c *conn) SetLinger(seconds int) error {
	c.sim.mu.Lock()
	defer c.sim.unlock()
	if c.host.closesLocked(c, c.isClosed()) {
		return c.opError("set", net.ErrClosed)
	}
	c.resets = seconds == 0
	return nil
}

// Close closes the connection. Bytes that were written arrive first, unless something
// is unread or SetLinger was set to zero: then the peer is reset.
func (c *conn) Close() error {
	c.sim.lock()
	defer c.sim.unlock()
	if c.host.closesLocked(c, c.isClosed()) {
		return c.opError("close", net.ErrClosed)
	}
	c.sendCloseLocked()
	c.vanishLocked()
	return nil
}

// sendCloseLocked sends the FIN or the reset of a close.
func (c *conn) sendCloseLocked() {
	if c.unread > 0 || c.resets {
		c.postLocked(sending, resetting)
	} else {
		c.finishLocked()
	}
	if c.windowProbed {
		c.postLocked(windowUpdates, probeUnanswered)
	}
}

// resetLocked closes the connection with a reset of the peer.
func (c *conn) resetLocked() {
	if !c.isClosed() {
		c.postLocked(sending, resetting)
		c.vanishLocked()
	}
}

// resetPeerLocked sends a reset after everything sent before. Lost bytes that wait for
// their retransmission are dropped. Only the loop calls it.
func (c *conn) resetPeerLocked() {
	switch {
	case c.tcp != nil:
		c.abortLoop()
	case c.hasCrashedLocked(), c.isForgotten():
		c.answerUnknownLocked()
	case c.endsInReset():
	case c.pathState == blocked:
		c.abandonLocked()
		c.forget()
		c.answerUnknownLocked()
	default:
		c.sendLocked(segment{do: c.peer.resetByPeerLocked, reset: true})
	}
}

// refuseLocked resets the peer, whose segment has reached an end that no longer accepts
// segments. If the reset is lost, the peer retransmits the segment.
func (c *conn) refuseLocked() {
	c.awaited = true
	c.resetPeerLocked()
}

// answerUnknownLocked sends the host's answer to a segment of a connection that it no
// longer knows.
func (c *conn) answerUnknownLocked() {
	if !c.reachesPeerLocked() {
		c.resetLostLocked()
		return
	}
	c.updateLocked()
	piece := c.firstFlow().Send(c.sim.instant, 0)
	c.leftAsLocked(&piece, event{do: c.peer.resetByPeerLocked})
}

// resetLostLocked handles the loss of a reset. A reset is never retransmitted; the peer
// retransmits whatever was not answered.
func (c *conn) resetLostLocked() {
	c.abandonLocked()
	c.forget()
	if c.awaited {
		c.peer.unansweredLocked()
	}
	c.leaveProbeUnansweredLocked()
}

func (c *conn) resetByPeerLocked() { c.giveUpLocked(syscall.ECONNRESET) }

// vanishLocked closes this end without notifying the peer.
func (c *conn) vanishLocked() {
	if c.usage == gone {
		return
	}
	c.usage = gone
	if c.peer.usage == gone {
		c.far.halfClosed--
	} else {
		c.host.halfClosed++
	}
	c.stream.skip(c.unread+c.dropped, &c.sim.spareRings)
	c.unread, c.dropped = 0, 0
	if c.hasCrashed() {
		c.leaveProbeUnansweredLocked()
	}
	delete(c.host.conns, c)
	c.freePortLocked()
	c.readDeadline.stopLocked()
	c.writeDeadline.stopLocked()
	c.wakeLocked()
}

// isWaitedForLocked reports whether calls wait, or a notification is due.
func (c *conn) isWaitedForLocked() bool {
	return c.reads.first != nil || c.writes.first != nil || c.notify != nil
}

// wakeLocked wakes all waiting calls.
func (c *conn) wakeLocked() {
	c.wakeReadersLocked()
	c.goOnWritingLocked()
}

// LocalAddr returns the address of this end, a *net.TCPAddr.
func (c *conn) LocalAddr() net.Addr { return c.local.addr() }

// RemoteAddr returns the address of the other end, a *net.TCPAddr.
func (c *conn) RemoteAddr() net.Addr { return c.remote.addr() }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, true, true)
}

// SetReadDeadline sets the deadline of Read. The zero time is none.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline of Write. The zero time is none.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

func (c *conn) setDeadlines(t time.Time, read, write bool) error {
	c.sim.mu.Lock()
	defer c.sim.unlock()
	if c.host.closesLocked(c, c.isClosed()) {
		return setError(c.network, c.local.addr())
	}
	if read {
		c.readDeadline.setLocked(&c.sim.mu, &c.reads, t)
	}
	if write {
		c.writeDeadline.setLocked(&c.sim.mu, &c.writes, t)
	}
	return nil
}

// opError wraps an error in a net.OpError, as the net package does.
func (c *conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.network, Source: c.local.addr(), Addr: c.remote.addr(), Err: err}
}
