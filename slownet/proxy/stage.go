package proxy

import "time"

// A stage is what a toxic does in one direction of one connection: it takes items,
// and says when they leave. It knows no clock, no lock and no socket; times are
// those of the server's time line. A stage that takes bytes away says so.
type stage interface {
	// push takes an item that comes at the given time.
	push(now time.Duration, it item)

	// due returns when the next item leaves. It returns false if none does, unless
	// the toxic is changed.
	due() (time.Duration, bool)

	// pop returns the item that is due. Its time is when it left.
	pop(now time.Duration) item

	// hasRoom reports whether more should be pushed; it can be anyway.
	hasRoom() bool

	// takeAll returns what has not left, when the toxic is removed.
	takeAll() []item

	// held returns how many bytes it has taken that have not left.
	held() int

	// change is called when the toxic's attributes have changed.
	change(now time.Duration, a Attributes)
}

// An alarming stage does something to the connection at a time, whether bytes come
// or not.
type alarming interface {
	alarm() (at time.Duration, what itemKind, ok bool)
}

// A lasting stage has an effect when its toxic is removed.
type lasting interface {
	removed() (what itemKind, ok bool)
}

// A setting is what a stage is made for.
type setting struct {
	now       time.Duration // when the toxic met the connection
	seed      uint64        // of this stage alone
	datagrams bool          // which keep their bounds
	shared    *sharedState  // nil if nothing is shared
}

// passing is the part that most stages have in common: items leave as they came, in
// order, at times that do not decrease.
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

func (p *passing) held() int { return p.queue.size }

func (p *passing) change(time.Duration, Attributes) {}

const (
	smallRoom = 64 << 10 // bytes that a stage holds which takes no time of its own
	largeRoom = 32 << 20 // bytes that a stage holds at most
)
