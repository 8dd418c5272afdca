package simtest

import "unsafe"

// A prefetcher brings the state of connections into the processor's cache. With
// thousands of connections, waiting for memory is most of the cost of a piece: a
// connection's state has left the cache when its turn comes again. As the next turns are
// known, the states of several connections are read together, and the processor fetches
// their cache lines at the same time, not one after another. The values read are not
// used. If the order of simultaneous events is drawn, this was measured not to help.
type prefetcher struct {
	ahead int  // number of next events that have been prefetched
	sum   byte // of everything read; without it the compiler would remove the reads
}

// prefetchMinimum is the least number of events for which prefetching pays: the state
// of fewer connections stays in the cache.
var prefetchMinimum = 2000 // a variable for tests

const (
	prefetchAtOnce = 8  // events that are prefetched together
	cacheLine      = 64 // bytes, on most processors
)

// prefetchActions prefetches the first of some actions.
func (p *prefetcher) prefetchActions(actions []ranked) {
	for i := range actions[:min(prefetchAtOnce, len(actions))] {
		p.prefetch(actions[i].action.conn)
	}
}

// prefetchEvents prefetches the next events of a queue, unless they have been
// prefetched already. It looks at one entry of the heap: when many events are due at
// one instant, most share an entry.
func (p *prefetcher) prefetchEvents(q *queue) {
	if p.ahead--; p.ahead >= 0 {
		return
	}
	if p.ahead = 0; q.len() < prefetchMinimum {
		return
	}
	p.ahead = prefetchAtOnce - 1
	index := q.heap[0].index
	for n := 0; n < prefetchAtOnce && index != none; n++ {
		p.prefetch(q.store[index].conn)
		index = q.store[index].next
	}
}

// prefetch reads the state of a connection over TCP, and the start of the buffer of a
// waiting call of Read.
//
//go:norace
func (p *prefetcher) prefetch(c *conn) {
	if c == nil || c.tcp == nil {
		return
	}
	whole := (*[unsafe.Sizeof(tcpConn{})]byte)(unsafe.Pointer(c.bothEnds()[dialler]))
	for i := 0; i < len(whole); i += cacheLine {
		p.sum += whole[i]
	}
	if read := c.reads.first; read != nil && len(read.call.p) > 0 {
		p.sum += read.call.p[0]
	}
}
