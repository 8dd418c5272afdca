package reactor

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"
)

// maxAttempts is the number of dials of one key in progress at once. Each takes a
// goroutine, whose stack is several times the memory of a connection; and a server
// drops connections beyond its backlog, which are retried after a second or more.
const maxAttempts = 256

// ErrDialTimeout is the error of a dial that takes longer than allowed; see
// [Reactor.DialTimeout].
var ErrDialTimeout = errors.New("reactor: the dial took too long")

// Dial calls dial on a goroutine of its own, to make a connection, and afterwards
// calls then on the loop with the result. From that call on, then owns the
// connection: it passes it to Add, or closes it. Before that call, cancel withdraws
// the request: it ends dial's context, and closes a connection that is made
// nevertheless. Dial and cancel must be called on the loop, or before Run.
//
// Dials of one key are interchangeable: the first result goes to the request that
// has waited longest. So runs in simulated time repeat, although the order in which
// the goroutines finish is not defined. At most 256 dials of a key are in progress
// at once; further ones wait for their turn.
//
// A dial that fails because the process has too many open files is retried when
// another of the loop's connections is closed, when a dial has failed, and after a
// second; other dials wait for their turn meanwhile. A dial fails for that reason only
// if the loop has no other connection and no other dial in progress. A lookup that
// fails for the same reason is retried for ten seconds. See also [Reactor.OutOfDescriptors].
func (r *Reactor) Dial(key any, dial func(ctx context.Context) (net.Conn, error), then func(net.Conn, error)) (cancel func()) {
	return r.DialTimeout(key, 0, dial, then)
}

// DialTimeout is [Reactor.Dial] with a time limit. After it, the dial's context ends,
// and the function then is called with [ErrDialTimeout]. The time runs from the call of
// dial; the wait for a turn does not count. Zero or less means no limit.
func (r *Reactor) DialTimeout(key any, timeout time.Duration, dial func(ctx context.Context) (net.Conn, error), then func(net.Conn, error)) (cancel func()) {
	queue := r.dials[key]
	if queue == nil {
		queue = &dialQueue{reactor: r, key: key}
		if r.dials == nil {
			r.dials = make(map[any]*dialQueue)
		}
		r.dials[key] = queue
	}
	r.requested++
	w := &dialRequest{sequence: r.requested, timeout: timeout, dial: dial, then: then}
	queue.requests = append(queue.requests, w)
	queue.start()
	return func() {
		queue.cancel(w)
		queue.start()
	}
}

// A dialQueue contains the dials of one key. The first requests have an attempt
// each; the others wait for their turn.
type dialQueue struct {
	reactor  *Reactor
	key      any
	requests []*dialRequest // in order
	attempts []*dialAttempt
	starved  bool // it is one of the reactor's starved queues
	lookups  lookups
}

// A dialRequest is a call of Dial.
type dialRequest struct {
	sequence uint64 // number among the loop's requests
	timeout  time.Duration
	dial     func(ctx context.Context) (net.Conn, error)
	then     func(net.Conn, error)
}

// A dialAttempt is a dial in progress.
type dialAttempt struct {
	end      context.CancelFunc
	timer    *Timer // nil without a timeout
	canceled bool
	conn     net.Conn // the result, or
	err      error    // the dial's error
}

// next returns the first request that waits for its turn, or nil.
func (q *dialQueue) next() *dialRequest {
	if len(q.requests) == len(q.attempts) {
		return nil
	}
	return q.requests[len(q.attempts)]
}

// start starts as many waiting dials as permitted. An empty queue is removed.
func (q *dialQueue) start() {
	for w := q.next(); w != nil && len(q.attempts) < maxAttempts && !q.lookups.isWaiting(); w = q.next() {
		if !q.reactor.mayDial() {
			q.reactor.waitForDescriptor(q)
			break
		}
		q.dial(w)
	}
	if len(q.requests) == 0 {
		q.endLookups()
		if q.reactor.dials[q.key] == q {
			delete(q.reactor.dials, q.key)
		}
	}
}

func (q *dialQueue) dial(w *dialRequest) {
	r := q.reactor
	ctx, end := context.WithCancel(context.Background())
	d := &dialAttempt{end: end}
	q.attempts = append(q.attempts, d)
	r.attempts++
	if w.timeout > 0 {
		d.timer = r.AfterFunc(w.timeout, func() {
			d.stop()
			first := q.done(d)
			q.start()
			first.then(nil, ErrDialTimeout)
		})
	}
	r.Go(
		func() { d.conn, d.err = explainLookup(w.dial(ctx)) },
		func() { q.returned(d) })
}

// returned handles the return of a dial function.
func (q *dialQueue) returned(d *dialAttempt) {
	r := q.reactor
	d.end()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.conn != nil && !d.canceled {
		first := q.done(d)
		q.start()
		first.then(d.conn, d.err)
		r.Call(r.dialled) // runs after the function then has added the connection
		return
	}
	r.attempts--
	switch {
	case d.canceled:
		if d.conn != nil {
			_ = d.conn.Close()
		}
	case q.mayLookUpAgain(d.err):
		q.remove(d)
		q.retryLookup(d.err)
	case isOutOfDescriptors(d.err) && r.inUse() > 0:
		q.remove(d)
		r.limitDials(d.err)
		r.waitForDescriptor(q)
	default:
		first := q.done(d)
		q.start()
		first.then(nil, d.err)
	}
	r.startStarved()
}

// dialled is called after a dial has succeeded and the function then has returned.
func (r *Reactor) dialled() {
	r.attempts--
	r.startStarved()
}

// done removes a finished attempt from the queue, and the request that gets its
// result.
func (q *dialQueue) done(d *dialAttempt) *dialRequest {
	q.remove(d)
	first := q.requests[0]
	q.requests[0] = nil
	q.requests = q.requests[1:]
	return first
}

func (q *dialQueue) remove(d *dialAttempt) {
	i := slices.Index(q.attempts, d)
	q.attempts = slices.Delete(q.attempts, i, i+1)
}

// cancel removes a request from the queue, if it is there. If each request has an
// attempt, the youngest attempt ends with it; otherwise the first request that waits
// takes over an attempt.
func (q *dialQueue) cancel(w *dialRequest) {
	i := slices.Index(q.requests, w)
	if i < 0 {
		return
	}
	q.requests = slices.Delete(q.requests, i, i+1)
	if last := len(q.attempts) - 1; last >= len(q.requests) {
		d := q.attempts[last]
		q.attempts = q.attempts[:last]
		d.stop()
	}
}

// stop ends an attempt that no request waits for.
func (d *dialAttempt) stop() {
	d.canceled = true
	d.end()
	if d.timer != nil {
		d.timer.Stop()
	}
}
