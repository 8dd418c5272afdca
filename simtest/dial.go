package simtest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A dialling is a call of DialContext that waits for a connection, to any address of a
// name.
type dialling struct {
	host     *Host
	network  string
	family   family
	began    time.Duration
	deadline time.Duration    // of its context; endOfTime for none
	address  string           // as it was given
	remotes  []netip.AddrPort // in the order in which they are tried
	result   chan error       // receives the answer, once; owned and reused by the simulation
	made     *conn            // set before a positive answer
	trace    *dialTrace

	// Guarded by sim.mu.
	order    uint64 // among the host's dials
	answered bool
	gaveUp   bool
	crashed  bool       // the host has crashed; the call is about to return
	attempts []*attempt // one for each address tried so far
	oneHost  bool       // one host has all of the addresses
	primary  series     // of the first address's family
	fallback series     // of the other family

	// Storage for most dials: two addresses, one of which is tried.
	fewRemotes  [2]netip.AddrPort
	fewAttempts [1]*attempt
	firstTry    attempt
}

// An attempt is a handshake with one address: the request goes to the remote host, the
// answer comes back, and with the confirmation the listener has the connection.
type attempt struct {
	*series
	shown  netip.AddrPort // as resolved
	remote netip.AddrPort // the actual remote address

	// Guarded by sim.mu.
	conn      *conn
	requests  int           // number of times that the request was sent
	requested time.Duration // when the request was last sent
	over      bool          // it has failed
	elsewhere bool          // it failed, but the host listens at its address of the other family
}

// A request that is not answered, because it or the answer was lost or the listener's
// queue is full, is retransmitted after a second, then after two, and so on (RFC 6298,
// section 5.5), for as long as on Linux.
const (
	firstRetry  = time.Second
	maxRequests = 7
)

// dial connects to an address that was resolved to remotes, or failed to resolve with
// err.
func (h *Host) dial(ctx context.Context, network string, f family, address string, remotes []netip.AddrPort, err error) (net.Conn, error) {
	d := &dialling{
		host: h, network: network, family: f, address: address,
		deadline: h.sim.deadlineOf(ctx),
		trace:    newDialTrace(ctx, network, f, len(remotes)),
	}
	d.remotes = append(d.fewRemotes[:0], remotes...)
	d.attempts = d.fewAttempts[:0]
	if err := d.post(err); err != nil {
		return nil, err
	}
	made, err := d.wait(ctx)
	d.end()
	d.trace.end(err)
	if err != nil {
		return nil, err
	}
	return made, nil
}

// wait waits until there is an answer, or the context ends.
func (d *dialling) wait(ctx context.Context) (*conn, error) {
	for {
		select {
		case n := <-d.trace.noted():
			d.trace.tell(n)
		case err := <-d.result:
			return d.made, err
		case <-ctx.Done():
			if err := d.giveUp(); err != nil {
				return nil, err
			}
			return nil, dialError(ctx.Err())
		}
	}
}

// deadlineOf returns the simulated time of a context's deadline, or the end of time
// for none.
func (s *Sim) deadlineOf(ctx context.Context) time.Duration {
	at, ok := ctx.Deadline()
	if !ok {
		return endOfTime
	}
	return at.Sub(s.origin)
}

// post posts the dial, or the error err with which it will end, to the network. When the
// simulation has ended, post returns net.ErrClosed; it takes none of the spare channels,
// which must not be used outside of the bubble.
func (d *dialling) post(err error) error {
	h := d.host
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	if h.sim.closed {
		return net.ErrClosed
	}
	d.result = h.sim.spareResults.takeLocked()
	d.began = h.sim.now()
	if h.hasEndedLocked() {
		err = errNetworkDown("connect")
	}
	start := d.startLocked
	if err != nil {
		start = func() { d.answerLaterLocked(err) }
	}
	h.dials++
	d.order = h.dials
	h.diallings[d] = struct{}{}
	h.sim.postLocked(action{key: key{host: h.number, conn: dials, address: &d.address, sequence: h.dials}, host: h, do: start})
	return nil
}

// end is called when the answer has been received, or will never be sent.
func (d *dialling) end() {
	d.host.sim.mu.Lock()
	defer d.host.sim.mu.Unlock()
	d.host.sim.spareResults.putLocked(d.result)
	d.result = nil
}

// results are channels for the answers to dials, for reuse.
type results struct{ free []chan error }

func (r *results) takeLocked() chan error {
	last := len(r.free) - 1
	if last < 0 {
		return make(chan error, 1)
	}
	result := r.free[last]
	r.free = r.free[:last]
	return result
}

// maxSpareResults is the maximum number of channels kept for reuse.
const maxSpareResults = 64

func (r *results) putLocked(result chan error) {
	if len(r.free) < maxSpareResults {
		r.free = append(r.free, result)
	}
}

// giveUp cancels the dial. It returns the error of the first address, if that is known.
func (d *dialling) giveUp() error {
	d.host.sim.mu.Lock()
	d.gaveUp = true
	delete(d.host.diallings, d)
	answered, err := d.answered, d.primary.err
	d.host.sim.mu.Unlock()
	if answered { // at the same moment
		if <-d.result == nil {
			_ = d.made.Close()
		}
		return nil
	}
	return err
}

// answerLocked answers the dial, unless it was answered before or no call waits for it.
func (d *dialling) answerLocked(err error) {
	if d.answered || d.gaveUp {
		return
	}
	d.answered = true
	delete(d.host.diallings, d)
	d.result <- err
}

// answerLaterLocked answers the dial in an event of its own.
func (d *dialling) answerLaterLocked(err error) {
	s := d.host.sim
	s.callAtLocked(s.now(), d.host, func() { d.answerLocked(err) })
}

// isWaitedForLocked reports whether a call waits for the answer.
func (d *dialling) isWaitedForLocked() bool { return !d.answered && !d.gaveUp }

// isOverLocked reports whether no call waits for the answer.
func (d *dialling) isOverLocked() bool { return d.gaveUp || d.answered || d.crashed }

// startLocked gives the connection its number and sends the request.
func (a *attempt) startLocked() {
	h := a.host
	remoteHost := h.hostOfLocked(a.remote.Addr())
	if remoteHost == nil {
		a.failLaterLocked(syscall.EHOSTUNREACH)
		return
	}
	port, ok := h.ports.nextDial(a.remote)
	if !ok {
		a.failLaterLocked(syscall.EADDRNOTAVAIL)
		return
	}
	h.dialled++
	local := netip.AddrPortFrom(h.sourceLocked(a.remote.Addr()), port)
	a.conn = newConnPair(a.network, h, remoteHost, h.dialled, local, a.remote)
	if a.conn.tcp != nil {
		a.conn.dialLoop(a)
		return
	}
	a.requestLocked()
}

// failLaterLocked makes the attempt fail in an event of its own.
func (a *attempt) failLaterLocked(errno syscall.Errno) {
	s := a.host.sim
	s.callAtLocked(s.now(), a.host, func() { a.failedLocked(syscallError("connect", errno)) })
}

// statesLocked describes the attempts that wait for an answer. If none has begun, it
// describes the first one to come.
func (d *dialling) statesLocked() (lines []string) {
	if len(d.attempts) == 0 && len(d.remotes) > 0 {
		return []string{fmt.Sprintf("dial to %v: waits for an answer", d.family.destination(d.remotes[0]))}
	}
	for _, a := range d.attempts {
		if a.over {
			continue
		}
		line := fmt.Sprintf("dial to %v: waits for an answer", a.remote)
		if a.requests > 1 {
			line += fmt.Sprintf(", asked %d times", a.requests)
		}
		lines = append(lines, line)
	}
	return lines
}

// pingLocked sends a packet without payload, a connection request or its answer, and
// returns false if the packet is lost. If it is lost at a later hop, the attempt
// schedules a retransmission then.
func (c *conn) pingLocked(request bool, do func(), a *attempt) bool {
	c.updateLocked()
	if c.route.blocked || !c.peer.isOpenLocked(request) {
		c.dropLocked(0, c.whyUnreachableLocked())
		return false
	}
	if c.crosses() {
		return c.pingAcrossLocked(do, a.retryLocked)
	}
	arrive, arrives := c.flow.Ping(c.sim.instant)
	if arrives {
		c.arriveAtLocked(arrive, event{do: do})
	} else {
		c.dropLocked(0, "lost")
	}
	return arrives
}

// requestLocked sends the request.
func (a *attempt) requestLocked() {
	a.requested = a.host.sim.now()
	a.requests++
	if !a.conn.pingLocked(true, a.requestedLocked, a) {
		a.blackholedLocked(a.conn.peer, true)
		a.retryLocked()
	}
}

// requestedLocked handles the request at the remote host.
func (a *attempt) requestedLocked() {
	server := a.conn.peer
	l := server.host.listenerLocked(a.remote)
	var answer func()
	switch {
	case server.host.down:
		a.retryLocked()
		return
	case l == nil, server.host.refusesLocked(server.packetLocked(true)):
		elsewhere := a.listensElsewhereLocked(server.host, l == nil)
		answer = func() {
			a.elsewhere = elsewhere
			a.failLocked(syscall.ECONNREFUSED)
		}
	case l.isFullLocked():
		a.retryLocked()
		return
	default:
		answer = func() { a.confirmLocked(l) }
	}
	if !server.pingLocked(false, answer, a) {
		a.blackholedLocked(a.conn, false)
		a.retryLocked()
	}
}

// retryLocked schedules a retransmission of the request, or gives up.
func (a *attempt) retryLocked() {
	s := a.host.sim
	at := a.requested + firstRetry<<(a.requests-1)
	s.callAtLocked(at, a.host, func() {
		switch {
		case a.isGoneLocked():
			a.conn.freePortLocked()
		case a.requests == maxRequests:
			a.failLocked(syscall.ETIMEDOUT)
		default:
			a.requestLocked()
		}
	})
}

// confirmLocked handles a positive answer: the dial has succeeded, and the confirmation
// is sent.
func (a *attempt) confirmLocked(l *listener) {
	client := a.conn
	if a.isGoneLocked() { // already answered, if the simulation has ended or the host crashed
		client.freePortLocked()
		return
	}
	a.establishedLocked()
	client.sendLocked(segment{do: func() { l.confirmedLocked(client.peer) }})
}

// establishedLocked returns the connection to the caller of the dial.
func (a *attempt) establishedLocked() {
	client := a.conn
	a.made = client
	a.trace.over(a.shown, nil)
	client.openLocked()
	a.host.sim.recordLocked(&trace.Event{Kind: trace.Connect, From: client.host.name, To: client.far.name, Conn: client.id()})
	a.answerLocked(nil)
}

// failLocked handles a negative answer.
func (a *attempt) failLocked(errno syscall.Errno) {
	a.conn.freePortLocked()
	if !a.isGoneLocked() {
		a.host.sim.recordLocked(&trace.Event{Kind: trace.Reset, From: a.conn.far.name, To: a.host.name, Conn: a.conn.id(), Note: errno.Error()})
	}
	a.failedLocked(syscallError("connect", errno))
}
