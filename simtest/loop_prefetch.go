package simtest

import (
	"unsafe"

	"github.com/slowpoetry/slowpoetry/internal/prefetch"
)

// A prefetcher brings the state of the connections whose turn comes next into the
// processor's cache, and that of the goroutines that wait to read from them. With
// thousands of connections, waiting for memory is most of the cost of a piece. In a
// simulation that may draw the order of events, events are not prefetched: the next ones
// are not known.
type prefetcher struct {
	known  int   // number of upcoming events, including the next, whose connections have been prefetched
	conn   int32 // index in the queue's store of the event after those, or none
	reader int32 // index of the event whose waiting reader is prefetched next, or none
}

// prefetchMinimum is the least number of events for which prefetching pays: the state
// of fewer connections stays in the cache.
var prefetchMinimum = 500 // a variable for tests

// How many turns ahead something is prefetched; for connections of events, this includes
// the next event. A reader is prefetched after its connection, which points to it.
const (
	connsAhead   = 4
	readersAhead = 2
)

// prefetchEvents prefetches what the next events need. Within an instant most events
// share an entry of the queue, and nothing beyond the first entry is prefetched.
func (p *prefetcher) prefetchEvents(q *queue) {
	if q.len() < prefetchMinimum {
		p.known = 0
	} else {
		p.prefetchNext(q)
	}
}

func (p *prefetcher) prefetchNext(q *queue) {
	if p.known--; p.known <= 0 {
		first := q.heap[0].index
		p.known, p.conn, p.reader = 0, first, first
		for range readersAhead {
			_, p.reader = q.look(p.reader)
		}
	}
	for p.known < connsAhead && p.conn != none {
		var c *conn
		c, p.conn = q.look(p.conn)
		c.prefetch()
		p.known++
	}
	if p.reader != none {
		var c *conn
		c, p.reader = q.look(p.reader)
		c.prefetchReader()
	}
}

// look returns the connection of an event of the store, and the index of the event that
// follows in its entry, or none.
func (q *queue) look(index int32) (c *conn, next int32) {
	if index == none {
		return nil, none
	}
	e := &q.store[index]
	return e.conn, e.next
}

// prefetch prefetches the state of a connection over TCP: both ends and their machines.
// It does not read the connection, as that would wait for memory, so it does not know
// which end this is. On an ideal stream, part of what it prefetches is other memory.
func (c *conn) prefetch() {
	if c == nil {
		return
	}
	const end = unsafe.Sizeof(conn{})
	prefetch.Memory(uintptr(unsafe.Pointer(c))-end, end+unsafe.Sizeof(tcpConn{}))
}

// prefetchReader prefetches the goroutine of a waiting call of Read, and the start of
// its buffer.
func (c *conn) prefetchReader() {
	if c == nil || c.reads.first == nil {
		return
	}
	read := c.reads.first
	read.goroutine.Prefetch()
	prefetch.Memory(uintptr(unsafe.Pointer(unsafe.SliceData(read.call.p))), 1)
}
