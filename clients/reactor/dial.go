package reactor

import (
	"context"
	"net"
	"slices"
)

// maxAlike is how many dials of one key are under way at once. Each takes a
// goroutine, whose stack is a multiple of what a connection takes; and a server
// that is dialled more often than its backlog holds loses the rest for a second
// or more.
const maxAlike = 256

// Dial has dial make a connection, on a goroutine of its own, and calls then on
// the loop with what comes of it. The connection is then's: to hand to Add, or
// to close. Until then is called, cancel takes the wish back; it ends dial's
// context and closes a connection that comes all the same. Dial is for the
// loop only, or for the time before Run, and so is cancel.
//
// Dials of one key are alike, so whichever is done first is for the wish that
// has waited longest. That makes runs in simulated time the same, where it is
// left to chance which of the goroutines comes first. 256 of them are under way
// at once; further ones wait for their turn.
func (r *Reactor) Dial(key any, dial func(ctx context.Context) (net.Conn, error), then func(net.Conn, error)) (cancel func()) {
	queue := r.dials[key]
	if queue == nil {
		queue = &dialQueue{reactor: r, key: key}
		if r.dials == nil {
			r.dials = make(map[any]*dialQueue)
		}
		r.dials[key] = queue
	}
	w := &wish{then}
	queue.wishes = append(queue.wishes, w)
	queue.waiting = append(queue.waiting, dial)
	queue.start()
	return func() {
		queue.cancel(w)
		queue.start()
	}
}

// A dialQueue is what goes on for one key: for every wish there is a dialling,
// or a dial that waits for its turn.
type dialQueue struct {
	reactor   *Reactor
	key       any
	wishes    []*wish // in order
	diallings []*dialling
	waiting   []func(ctx context.Context) (net.Conn, error) // in order
}

// A wish is what Dial was called for.
type wish struct {
	then func(net.Conn, error)
}

// A dialling is a connection that is being made.
type dialling struct {
	end      context.CancelFunc
	canceled bool
	conn     net.Conn // the result, or
	err      error    // why there is none
}

// start starts the dials whose turn it is. A queue that is empty is forgotten.
func (q *dialQueue) start() {
	for len(q.waiting) > 0 && len(q.diallings) < maxAlike {
		dial := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		q.dial(dial)
	}
	if len(q.wishes) == 0 && q.reactor.dials[q.key] == q {
		delete(q.reactor.dials, q.key)
	}
}

func (q *dialQueue) dial(dial func(ctx context.Context) (net.Conn, error)) {
	ctx, end := context.WithCancel(context.Background())
	d := &dialling{end: end}
	q.diallings = append(q.diallings, d)
	q.reactor.Go(
		func() { d.conn, d.err = dial(ctx) },
		func() {
			d.end()
			if d.canceled {
				if d.conn != nil {
					_ = d.conn.Close()
				}
				return
			}
			first := q.done(d)
			q.start()
			first.then(d.conn, d.err)
		})
}

// done takes a dialling that is done, and the wish that it fulfils, from the
// queue.
func (q *dialQueue) done(d *dialling) *wish {
	i := slices.Index(q.diallings, d)
	q.diallings = slices.Delete(q.diallings, i, i+1)
	first := q.wishes[0]
	q.wishes[0] = nil
	q.wishes = q.wishes[1:]
	return first
}

// cancel takes a wish from the queue, if it is there, and with it the dial whose
// turn comes last, or else a dialling.
func (q *dialQueue) cancel(w *wish) {
	i := slices.Index(q.wishes, w)
	if i < 0 {
		return
	}
	q.wishes = slices.Delete(q.wishes, i, i+1)
	if last := len(q.waiting) - 1; last >= 0 {
		q.waiting = slices.Delete(q.waiting, last, last+1)
		return
	}
	last := len(q.diallings) - 1
	d := q.diallings[last]
	q.diallings = q.diallings[:last]
	d.canceled = true
	d.end()
}
