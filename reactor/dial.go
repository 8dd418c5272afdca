package reactor

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"
)

// maxAlike is how many dials of one key are under way at once. Each takes a
// goroutine, whose stack is a multiple of what a connection takes; and a server
// that is dialled more often than its backlog holds loses the rest for a second
// or more.
const maxAlike = 256

// ErrDialTimeout is the error of a dial that takes longer than allowed; see
// [Reactor.DialTimeout].
var ErrDialTimeout = errors.New("reactor: the dial took too long")

// Dial calls dial on a goroutine of its own, to make a connection, and then
// calls then on the loop with the result. The connection is then's: to hand to
// Add, or to close. Until then is called, cancel withdraws the request: it ends
// dial's context, and closes a connection that is made all the same. Dial is
// for the loop only, or for the time before Run, and so is cancel.
//
// Dials of one key are alike, so whichever is done first is for the wish that
// has waited longest. That makes runs in simulated time the same, where it is
// left to chance which of the goroutines comes first. 256 of them are under way
// at once; further ones wait for their turn.
//
// A dial that fails because the process has too many files open is made again
// when another of the loop's connections has ended, a dial has failed, or a
// second has passed; other dials wait for their turn meanwhile. It is an error
// only if the loop has nothing else open or under way. A lookup that fails for
// the same reason is made again for ten seconds. See also
// [Reactor.OutOfDescriptors].
func (r *Reactor) Dial(key any, dial func(ctx context.Context) (net.Conn, error), then func(net.Conn, error)) (cancel func()) {
	return r.DialTimeout(key, 0, dial, then)
}

// DialTimeout is [Reactor.Dial] with a time limit: when it has passed, the
// dial's context ends and then gets [ErrDialTimeout]. The time runs from the
// call of dial; the wait for its turn does not count. Zero or less means no
// limit.
func (r *Reactor) DialTimeout(key any, timeout time.Duration, dial func(ctx context.Context) (net.Conn, error), then func(net.Conn, error)) (cancel func()) {
	queue := r.dials[key]
	if queue == nil {
		queue = &dialQueue{reactor: r, key: key}
		if r.dials == nil {
			r.dials = make(map[any]*dialQueue)
		}
		r.dials[key] = queue
	}
	r.wished++
	w := &wish{sequence: r.wished, timeout: timeout, dial: dial, then: then}
	queue.wishes = append(queue.wishes, w)
	queue.start()
	return func() {
		queue.cancel(w)
		queue.start()
	}
}

// A dialQueue holds the dials of one key. The first wishes have a dialling
// each, the others wait for their turn.
type dialQueue struct {
	reactor   *Reactor
	key       any
	wishes    []*wish // in order
	diallings []*dialling
	starved   bool // it is among the reactor's starved queues
	lookups   lookups
}

// A wish is what Dial was called for.
type wish struct {
	sequence uint64 // counts the wishes of the loop
	timeout  time.Duration
	dial     func(ctx context.Context) (net.Conn, error)
	then     func(net.Conn, error)
}

// A dialling is a connection that is being made.
type dialling struct {
	end      context.CancelFunc
	timer    *Timer // nil without a time-out
	canceled bool
	conn     net.Conn // the result, or
	err      error    // why there is none
}

// next returns the first wish that waits for its turn, or nil.
func (q *dialQueue) next() *wish {
	if len(q.wishes) == len(q.diallings) {
		return nil
	}
	return q.wishes[len(q.diallings)]
}

// start starts the dials whose turn it is. A queue that is empty is forgotten.
func (q *dialQueue) start() {
	for w := q.next(); w != nil && len(q.diallings) < maxAlike && !q.lookups.isWaiting(); w = q.next() {
		if !q.reactor.mayDial() {
			q.reactor.starve(q)
			break
		}
		q.dial(w)
	}
	if len(q.wishes) == 0 {
		q.endLookups()
		if q.reactor.dials[q.key] == q {
			delete(q.reactor.dials, q.key)
		}
	}
}

func (q *dialQueue) dial(w *wish) {
	r := q.reactor
	ctx, end := context.WithCancel(context.Background())
	d := &dialling{end: end}
	q.diallings = append(q.diallings, d)
	r.diallings++
	if w.timeout > 0 {
		d.timer = r.AfterFunc(w.timeout, func() {
			d.stop()
			first := q.done(d)
			q.start()
			first.then(nil, ErrDialTimeout)
		})
	}
	r.Go(
		func() { d.conn, d.err = tellStarvation(w.dial(ctx)) },
		func() { q.returned(d) })
}

// returned handles the return of a dial function.
func (q *dialQueue) returned(d *dialling) {
	r := q.reactor
	d.end()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.conn != nil && !d.canceled {
		first := q.done(d)
		q.start()
		first.then(d.conn, d.err)
		r.Call(r.dialled) // after the connection was added
		return
	}
	r.diallings--
	switch {
	case d.canceled:
		if d.conn != nil {
			_ = d.conn.Close()
		}
	case q.mayLookUpAgain(d.err):
		q.remove(d)
		q.lookUpLater(d.err)
	case isOutOfDescriptors(d.err) && r.inUse() > 0:
		q.remove(d)
		r.limit(d.err)
		r.starve(q)
	default:
		first := q.done(d)
		q.start()
		first.then(nil, d.err)
	}
	r.feed()
}

// dialled is called when a dial has succeeded and its connection was handed on.
func (r *Reactor) dialled() {
	r.diallings--
	r.feed()
}

// done takes a dialling that is done, and the wish that it fulfils, from the
// queue.
func (q *dialQueue) done(d *dialling) *wish {
	q.remove(d)
	first := q.wishes[0]
	q.wishes[0] = nil
	q.wishes = q.wishes[1:]
	return first
}

func (q *dialQueue) remove(d *dialling) {
	i := slices.Index(q.diallings, d)
	q.diallings = slices.Delete(q.diallings, i, i+1)
}

// cancel takes a wish from the queue, if it is there. If each wish has a
// dialling, the youngest of these ends with it; else the first wish that waits
// takes a dialling over.
func (q *dialQueue) cancel(w *wish) {
	i := slices.Index(q.wishes, w)
	if i < 0 {
		return
	}
	q.wishes = slices.Delete(q.wishes, i, i+1)
	if last := len(q.diallings) - 1; last >= len(q.wishes) {
		d := q.diallings[last]
		q.diallings = q.diallings[:last]
		d.stop()
	}
}

// stop ends a dialling that no wish waits for.
func (d *dialling) stop() {
	d.canceled = true
	d.end()
	if d.timer != nil {
		d.timer.Stop()
	}
}
