package reactor

import (
	"context"
	"net"
	"slices"
)

// Dial has dial make a connection, on a goroutine of its own, and calls then on
// the loop with what comes of it. The connection is then's: to hand to Add, or
// to close. Until then is called, cancel takes the wish back; it ends dial's
// context and closes a connection that comes all the same. Dial is for the
// loop only, or for the time before Run, and so is cancel.
//
// Dials of one key are alike, so whichever is done first is for the wish that
// has waited longest. That makes runs in simulated time the same, where it is
// left to chance which of the goroutines comes first.
func (r *Reactor) Dial(key any, dial func(ctx context.Context) (net.Conn, error), then func(net.Conn, error)) (cancel func()) {
	queue := r.dials[key]
	if queue == nil {
		queue = new(dialQueue)
		if r.dials == nil {
			r.dials = make(map[any]*dialQueue)
		}
		r.dials[key] = queue
	}
	ctx, end := context.WithCancel(context.Background())
	d := &dialling{end: end}
	w := &wish{then}
	queue.wishes = append(queue.wishes, w)
	queue.diallings = append(queue.diallings, d)
	r.Go(
		func() { d.conn, d.err = dial(ctx) },
		func() {
			d.end()
			if d.canceled {
				if d.conn != nil {
					_ = d.conn.Close()
				}
				return
			}
			first := queue.done(d)
			r.tidyDials(key)
			first.then(d.conn, d.err)
		})
	return func() {
		queue.cancel(w)
		r.tidyDials(key)
	}
}

// tidyDials forgets a queue that is empty.
func (r *Reactor) tidyDials(key any) {
	if queue := r.dials[key]; queue != nil && len(queue.wishes) == 0 {
		delete(r.dials, key)
	}
}

// A dialQueue is what goes on for one key: as many diallings as there are
// wishes.
type dialQueue struct {
	wishes    []*wish // in order
	diallings []*dialling
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

// cancel takes a wish from the queue, if it is there, and a dialling with it.
func (q *dialQueue) cancel(w *wish) {
	i := slices.Index(q.wishes, w)
	if i < 0 {
		return
	}
	q.wishes = slices.Delete(q.wishes, i, i+1)
	last := len(q.diallings) - 1
	d := q.diallings[last]
	q.diallings = q.diallings[:last]
	d.canceled = true
	d.end()
}
