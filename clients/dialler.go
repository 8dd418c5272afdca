package clients

import (
	"context"
	"net"
	"slices"

	"github.com/slowpoetry/slowpoetry/clients/reactor"
)

// A dialler connects the downloads of one loop, and belongs to it.
//
// Connections to one address are alike, so the first that is made goes to the
// download that has waited longest, whichever goroutine it comes from. That
// keeps runs in simulated time the same.
type dialler struct {
	ctx     context.Context // for values only; it is never done
	client  *Client
	reactor *reactor.Reactor
	queues  map[string]*dialQueue // by address
}

// A dialQueue is what goes on for one address: as many dials as there are
// downloads that wait.
type dialQueue struct {
	waiting []*download // in order
	dials   []*dial
}

// A dial is a connection that is being made, on a goroutine of its own.
type dial struct {
	cancel   context.CancelFunc
	canceled bool
	conn     net.Conn // the result, or
	err      error    // why there is none
}

func newDialler(ctx context.Context, c *Client, r *reactor.Reactor) *dialler {
	return &dialler{
		ctx:     context.WithoutCancel(ctx), // the downloads give up, in order, when ctx is done
		client:  c,
		reactor: r,
		queues:  make(map[string]*dialQueue),
	}
}

// start begins to connect a download.
func (d *dialler) start(download *download) {
	address := download.address
	queue := d.queues[address]
	if queue == nil {
		queue = new(dialQueue)
		d.queues[address] = queue
	}
	ctx, cancel := context.WithCancel(d.ctx)
	dial := &dial{cancel: cancel}
	queue.waiting = append(queue.waiting, download)
	queue.dials = append(queue.dials, dial)
	d.reactor.Go(
		func() { dial.conn, dial.err = d.client.dial(ctx, address) },
		func() { queue.dialled(dial) })
}

// dialled hands the result of a dial to the download that is for it.
func (q *dialQueue) dialled(dial *dial) {
	dial.cancel()
	if dial.canceled {
		if dial.conn != nil {
			_ = dial.conn.Close() // too late for anyone
		}
		return
	}
	i := slices.Index(q.dials, dial)
	q.dials = slices.Delete(q.dials, i, i+1)
	next := q.waiting[0]
	q.waiting = q.waiting[1:]
	if dial.err != nil {
		next.finish(dial.err)
		return
	}
	next.connected(dial.conn)
}

// giveUp ends the wait of a download that has no connection yet, and one of
// the dials with it.
func (d *dialler) giveUp(download *download) {
	queue := d.queues[download.address]
	if queue == nil {
		return
	}
	i := slices.Index(queue.waiting, download)
	if i < 0 {
		return
	}
	queue.waiting = slices.Delete(queue.waiting, i, i+1)
	last := len(queue.dials) - 1
	queue.dials[last].canceled = true
	queue.dials[last].cancel()
	queue.dials = queue.dials[:last]
}
