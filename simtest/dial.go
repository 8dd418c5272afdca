package simtest

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A dialling is a connection that is being made: a request travels to the
// remote host, its answer back, and the confirmation there again, which is
// when the listener has the connection.
type dialling struct {
	host    *Host
	network string
	began   time.Duration
	address string // as it was given
	remote  netip.AddrPort
	result  chan error // gets the answer, once
	conn    *conn      // set before a good answer

	// Guarded by sim.mu.
	order     uint64 // among the host's dials
	answered  bool
	gaveUp    bool
	crashed   bool          // with the host, and is about to be told
	attempts  int           // how often the request was sent
	requested time.Duration // when it was last
}

// A request that is not answered, because it or the answer was lost or the
// listener's queue is full, is sent again after a second, then after two, and
// so on (RFC 6298, 5.5), for as long as Linux does it.
const (
	firstRetry  = time.Second
	maxAttempts = 7
)

// dial connects to the address, which stands for remote, or for none because of
// err.
func (h *Host) dial(ctx context.Context, network, address string, remote netip.AddrPort, err error) (net.Conn, error) {
	d := h.post(network, address, remote, err)
	select {
	case result := <-d.result:
		if result != nil {
			return nil, result
		}
		return d.conn, nil
	case <-ctx.Done():
		if !d.giveUp() {
			// It was answered at the same moment.
			if result := <-d.result; result == nil {
				_ = d.conn.Close()
			}
		}
		return nil, dialError(ctx.Err())
	}
}

// post hands the network a wish to connect.
func (h *Host) post(network, address string, remote netip.AddrPort, err error) *dialling {
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	d := &dialling{host: h, network: network, began: h.sim.now(), address: address, remote: remote, result: make(chan error, 1)}
	switch {
	case h.sim.closed:
		d.answerLocked(net.ErrClosed)
		return d
	case h.down:
		err = errNetworkDown("connect")
	}
	start := d.startLocked
	if err != nil {
		start = func() { d.answerLaterLocked(err) }
	}
	h.dials++
	d.order = h.dials
	h.diallings[d] = struct{}{}
	h.sim.postLocked(action{key: key{host: h.number, conn: dials, address: address, sequence: h.dials}, host: h, do: start})
	return d
}

// giveUp takes the wish back, and reports whether it came before the answer.
func (d *dialling) giveUp() bool {
	d.host.sim.mu.Lock()
	defer d.host.sim.mu.Unlock()
	d.gaveUp = true
	delete(d.host.diallings, d)
	return !d.answered
}

// answerLocked answers whoever dials, unless that was done or is not wanted
// any more.
func (d *dialling) answerLocked(err error) {
	if d.answered || d.gaveUp {
		return
	}
	d.answered = true
	delete(d.host.diallings, d)
	d.result <- err
}

// answerLaterLocked answers when it is this dial's turn: one at a time, as all
// that happens.
func (d *dialling) answerLaterLocked(err error) {
	s := d.host.sim
	s.callAtLocked(s.now(), d.host, func() { d.answerLocked(err) })
}

// isOverLocked reports whether nobody waits for the answer any more.
func (d *dialling) isOverLocked() bool { return d.gaveUp || d.answered || d.crashed }

// startLocked gives the connection its number and sends the request.
func (d *dialling) startLocked() {
	if d.isOverLocked() {
		return
	}
	remoteHost := d.host.hostOfLocked(d.remote.Addr())
	if remoteHost == nil {
		d.answerLaterLocked(syscallError("connect", syscall.EHOSTUNREACH))
		return
	}
	source := d.host.sourceLocked(d.remote.Addr())
	port, ok := d.host.localPortLocked(d.remote)
	if !ok {
		d.answerLaterLocked(syscallError("connect", syscall.EADDRNOTAVAIL))
		return
	}
	d.host.dialled++
	d.conn = newConnPair(d.network, d.host, remoteHost, d.host.dialled, netip.AddrPortFrom(source, port), d.remote)
	d.requestLocked()
}

// pingLocked sends a packet without bytes, and returns false if it is lost.
func (c *conn) pingLocked(do func()) bool {
	c.updateLocked()
	if !c.reachesLocked(c.route, c.peer) {
		c.dropLocked(0, c.barLocked())
		return false
	}
	arrive, arrives := c.flow.Ping(c.sim.now())
	if arrives {
		c.arriveAtLocked(arrive, event{do: do})
	} else {
		c.dropLocked(0, "lost")
	}
	return arrives
}

// requestLocked sends the request.
func (d *dialling) requestLocked() {
	d.requested = d.host.sim.now()
	d.attempts++
	if !d.conn.pingLocked(d.requestedLocked) {
		d.retryLocked()
	}
}

// requestedLocked is what the request brings about.
func (d *dialling) requestedLocked() {
	server := d.conn.peer
	l := server.host.listenerLocked(d.remote)
	var answer func()
	switch {
	case server.host.down:
		d.retryLocked()
		return
	case l == nil, server.host.sim.refusesLocked(server.host, d.remote.Port()):
		answer = func() { d.failLocked(syscall.ECONNREFUSED) }
	case l.isFullLocked():
		d.retryLocked()
		return
	default:
		answer = func() { d.confirmLocked(l) }
	}
	if !server.pingLocked(answer) {
		d.retryLocked()
	}
}

// retryLocked sends the request again later, or gives up.
func (d *dialling) retryLocked() {
	s := d.host.sim
	at := d.requested + firstRetry<<(d.attempts-1)
	s.callAtLocked(at, d.host, func() {
		switch {
		case d.isOverLocked():
			d.conn.freePortLocked()
		case d.attempts == maxAttempts:
			d.failLocked(syscall.ETIMEDOUT)
		default:
			d.requestLocked()
		}
	})
}

// confirmLocked is what the good answer brings about: the dial has succeeded,
// and the confirmation is sent.
func (d *dialling) confirmLocked(l *listener) {
	client := d.conn
	if d.isOverLocked() { // answered, if the simulation has ended or the host crashed
		client.freePortLocked()
		return
	}
	client.openLocked()
	d.host.sim.recordLocked(Event{Kind: Connect, From: client.host.name, To: client.peer.host.name, Conn: client.id()})
	d.answerLocked(nil)
	client.sendLocked(segment{do: func() { l.confirmedLocked(client.peer) }})
}

// failLocked is what a bad answer brings about.
func (d *dialling) failLocked(errno syscall.Errno) {
	d.conn.freePortLocked()
	if !d.isOverLocked() {
		d.host.sim.recordLocked(Event{Kind: Reset, From: d.conn.peer.host.name, To: d.host.name, Conn: d.conn.id(), Note: errno.Error()})
	}
	d.answerLocked(syscallError("connect", errno))
}
