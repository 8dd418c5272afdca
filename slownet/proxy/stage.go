package proxy

import "time"

// A stage is the effect of a toxic in one direction of one connection: it receives
// items, and decides when they leave. It has no clock, no lock and no socket; times
// are on the server's time line.
type stage interface {
	// push adds an item that arrives at the given time.
	push(now time.Duration, it item)

	// due returns the time at which the next item leaves, or false if no item leaves
	// until the toxic is changed.
	due() (time.Duration, bool)

	// pop returns the item that is due, with the time at which it left.
	pop(now time.Duration) item

	// hasRoom reports whether more items should be pushed; pushing is always possible.
	hasRoom() bool

	// takeAll removes and returns the items that have not left. It is called when
	// the toxic is removed.
	takeAll() []item

	// isEmpty reports whether all items have left.
	isEmpty() bool

	// held returns the number of bytes in the stage.
	held() int

	// change is called when the toxic's attributes have changed.
	change(now time.Duration, a Attributes)
}

// An alarming stage acts on the connection at a certain time, whether or not bytes
// arrive.
type alarming interface {
	alarm() (at time.Duration, what itemKind, ok bool)
}

// An ending stage ends the connection when its toxic is removed.
type ending interface {
	ends()
}

// A setting is the environment of a new stage.
type setting struct {
	now       time.Duration // time at which the toxic was put on the connection
	seed      uint64        // for this stage only
	datagrams bool          // preserve message boundaries
	shared    *sharedState  // nil if nothing is shared
}

// passing is the common part of most stages: items leave in the order in which they
// arrived, at times that never decrease.
type passing struct {
	queue fifo
}

func (p *passing) push(_ time.Duration, it item) { p.queue.push(it) }

func (p *passing) due() (time.Duration, bool) {
	if p.queue.isEmpty() {
		return 0, false
	}
	return p.queue.items[0].at, true
}

func (p *passing) pop(time.Duration) item { return p.queue.pop() }

func (p *passing) hasRoom() bool { return p.queue.size < smallRoom }

func (p *passing) takeAll() []item { return p.queue.takeAll() }

func (p *passing) isEmpty() bool { return p.queue.isEmpty() }

func (p *passing) held() int { return p.queue.size }

func (p *passing) change(time.Duration, Attributes) {}

const (
	smallRoom = 64 << 10 // maximum bytes in a stage that does not delay items itself
	largeRoom = 32 << 20 // maximum bytes in any other stage
)
