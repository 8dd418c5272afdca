package simtest

import (
	"math"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A dialling is a connection that is being made: a request travels to the
// remote host, its answer back, and the confirmation there again, which is
// when the listener has the connection.
type dialling struct {
	host   *Host
	remote netip.AddrPort
	result chan error // gets the answer, once
	conn   *conn      // set before a good answer

	// Guarded by sim.mu.
	answered bool
	gaveUp   bool
	attempts int // how often the request was sent
}

// A request that finds the listener's queue full is sent again after a second,
// then after two, and so on (RFC 6298, 5.5), for as long as Linux does it.
const (
	firstRetry  = time.Second
	maxAttempts = 7
)

// post hands the network a wish to connect to the address, which stands for
// remote, or for none because of err.
func (h *Host) post(address string, remote netip.AddrPort, err error) *dialling {
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	d := &dialling{host: h, remote: remote, result: make(chan error, 1)}
	if h.sim.closed {
		d.answerLocked(net.ErrClosed)
		return d
	}
	start := d.startLocked
	if err != nil {
		start = func() { d.answerLaterLocked(err) }
	}
	h.dials++
	h.diallings[d] = h.dials
	h.sim.postLocked(key{host: h.number, conn: math.MaxUint64, address: address, sequence: h.dials}, start)
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
	s.queue.push(s.now(), func() { d.answerLocked(err) })
}

// startLocked gives the connection its number and sends the request.
func (d *dialling) startLocked() {
	if d.gaveUp {
		return
	}
	remoteHost := d.host
	if !d.remote.Addr().IsLoopback() {
		remoteHost = d.host.sim.byAddr[d.remote.Addr()]
	}
	if remoteHost == nil {
		d.answerLaterLocked(syscallError("connect", syscall.EHOSTUNREACH))
		return
	}
	source := d.remote.Addr() // on the host itself, from the address that is dialled
	switch {
	case remoteHost == d.host:
	case source.Is4():
		source = d.host.v4
	default:
		source = d.host.v6
	}
	port, ok := d.host.localPortLocked(d.remote)
	if !ok {
		d.answerLaterLocked(syscallError("connect", syscall.EADDRNOTAVAIL))
		return
	}
	d.host.dialled++
	d.conn = newConnPair(d.host, remoteHost, d.host.dialled, netip.AddrPortFrom(source, port), d.remote)
	d.requestLocked()
}

// requestLocked sends the request.
func (d *dialling) requestLocked() {
	client := d.conn
	client.sendLocked(0, func(int) {
		server := client.peer
		l := server.host.listenerLocked(d.remote)
		switch {
		case l == nil:
			server.sendLocked(0, func(int) { d.failLocked(syscall.ECONNREFUSED) })
		case l.isFullLocked():
			d.retryLocked()
		default:
			server.sendLocked(0, func(int) { d.confirmLocked(l) })
		}
	})
}

// retryLocked sends the request again later, or gives up.
func (d *dialling) retryLocked() {
	s := d.host.sim
	wait := firstRetry << d.attempts
	d.attempts++
	s.queue.push(s.now()+wait, func() {
		switch {
		case d.gaveUp:
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
	if d.gaveUp || d.answered { // answered, if the simulation has ended
		client.freePortLocked()
		return
	}
	client.openLocked()
	d.answerLocked(nil)
	client.sendLocked(0, func(int) {
		client.peer.openLocked()
		l.offerLocked(client.peer)
	})
}

// failLocked is what a bad answer brings about.
func (d *dialling) failLocked(errno syscall.Errno) {
	d.conn.freePortLocked()
	d.answerLocked(syscallError("connect", errno))
}
