package reactor

import (
	"net"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// A Reactor is a loop that waits for connections. The zero Reactor is ready to use.
// Add, Call and Go may be called on any goroutine, before Run and while it runs.
// Handlers and functions are called by Run's goroutine only.
type Reactor struct {
	// Clock is the clock of timers. Nil means the system clock.
	Clock clock.Clock

	// OutOfDescriptors, if not nil, is called on the loop when a dial has failed
	// because the process has too many open files, and waits for others to end. It is
	// called again only after a time in which no dial waited for that. See
	// [Reactor.Dial].
	OutOfDescriptors func(err error)

	mu      sync.Mutex // guards the fields below
	calls   []func()   // for the loop to call, in order
	signals []*Conn    // reported as readable, in order
	poller  poller     // the loop waits in it; only the loop replaces it
	asleep  bool       // the loop waits, or is about to, and was not woken yet

	// Only the loop uses the fields below.
	conns      int     // open connections
	jobs       int     // calls of Go in progress
	ready      []*Conn // may be readable, in order
	spare      []*Conn // memory for the next ready
	timers     timers
	dials      map[any]*dialQueue // by key
	requested  uint64             // dial requests so far
	attempts   int                // dials in progress, and those whose connection may not be in conns yet
	starvation starvation
	contexts   []*contextWatch // in order
	readAheads sync.WaitGroup  // the goroutines of readAhead sources
}

// A Handler handles the readiness of a connection.
type Handler interface {
	// Readable is called on the loop when bytes, the end of the stream or an error
	// can be read from c, and again until the handler has read everything. It must
	// not block. It must close the connection when it is done with it.
	Readable(c *Conn)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(c *Conn)

// Readable calls f(c).
func (f HandlerFunc) Readable(c *Conn) { f(c) }

// The loop waits in a poller, which marks connections as ready.
type poller interface {
	poll(block bool) error // with block, returns when a connection is ready, or after wake
	wake()                 // makes poll return; called with mu held, while the loop is asleep
	awake()                // cancels wake; called with mu held, after poll has returned
	close()
}

// Now returns the time on the reactor's clock.
func (r *Reactor) Now() time.Time { return r.clock().Now() }

// Add adds a connection and its handler to the loop. From then on only the loop may
// read or close the connection; its read deadline must not be set, use a timer
// instead. The returned Conn must be used on the loop.
func (r *Reactor) Add(conn net.Conn, handler Handler) *Conn {
	c := &Conn{conn: conn, reactor: r, handler: handler}
	r.Call(c.open)
	return c
}

// Call calls f on the loop, soon. Other goroutines use it to access data that
// belongs to the loop.
func (r *Reactor) Call(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, f)
	r.wakeLocked()
}

// Go calls work on a goroutine of its own, where it may block, and afterwards calls
// then on the loop. Run does not return before that.
func (r *Reactor) Go(work, then func()) {
	r.Call(func() {
		r.jobs++
		go func() {
			work()
			r.Call(func() {
				r.jobs--
				then()
			})
		}()
	})
}

// Run runs the loop. It returns nil when no connection is open and all work of Call,
// Go and Dial is done; then timers and waits for contexts are dropped. It returns an
// error if waiting for connections fails. It may be called again after it has
// returned, but not twice at once.
func (r *Reactor) Run() error {
	defer r.finish()
	for {
		calls, signals := r.take()
		for _, f := range calls {
			f()
		}
		for _, c := range signals {
			c.signalled.Store(false)
			r.markReady(c)
		}
		r.timers.fire(r.clock().Now())
		r.callHandlers()
		if r.isDone() {
			return nil
		}
		if err := r.sleep(); err != nil {
			return err
		}
	}
}

// take returns the calls and signals of other goroutines.
func (r *Reactor) take() (calls []func(), signals []*Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls, signals = r.calls, r.signals
	r.calls, r.signals = nil, nil
	return calls, signals
}

// callHandlers calls the handlers of ready connections. A connection with unread
// bytes gets its next turn after the others.
func (r *Reactor) callHandlers() {
	ready := r.ready
	r.ready, r.spare = r.spare[:0], nil
	for _, c := range ready {
		c.queued = false
		if c.closed {
			continue
		}
		c.drained = c.source.repeats()
		c.handler.Readable(c)
		if !c.drained {
			r.markReady(c)
		}
	}
	clear(ready)
	r.spare = ready
}

// markReady queues a connection for a call of its handler. Only the loop calls it.
func (r *Reactor) markReady(c *Conn) {
	if !c.queued && !c.closed {
		c.queued = true
		r.ready = append(r.ready, c)
	}
}

// signal is markReady for other goroutines.
func (r *Reactor) signal(c *Conn) {
	if c.signalled.Swap(true) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signals = append(r.signals, c)
	r.wakeLocked()
}

// sleep polls, and waits if the loop has nothing else to do.
func (r *Reactor) sleep() error {
	r.timers.setAlarm(r.clock(), r)
	r.mu.Lock()
	if r.poller == nil {
		r.poller = make(chanPoller, 1)
	}
	idle := len(r.calls) == 0 && len(r.signals) == 0 && len(r.ready) == 0 && !r.timers.isDue(r.clock().Now())
	r.asleep = idle
	poller := r.poller
	r.mu.Unlock()

	err := poller.poll(idle)

	r.mu.Lock()
	defer r.mu.Unlock()
	if idle && !r.asleep {
		poller.awake()
	}
	r.asleep = false
	return err
}

// wake wakes the loop.
func (r *Reactor) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeLocked()
}

func (r *Reactor) wakeLocked() {
	if r.asleep {
		r.asleep = false
		r.poller.wake()
	}
}

func (r *Reactor) isDone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns == 0 && r.jobs == 0 && len(r.calls) == 0
}

// finish releases the loop's resources.
func (r *Reactor) finish() {
	r.timers.clear()
	r.clearContexts()
	if r.conns == 0 {
		r.readAheads.Wait()
		r.setPoller(nil)
	}
}

// setPoller replaces the poller.
func (r *Reactor) setPoller(p poller) {
	r.mu.Lock()
	old := r.poller
	r.poller = p
	r.mu.Unlock()
	if old != nil {
		old.close()
	}
}

func (r *Reactor) clock() clock.Clock {
	if r.Clock == nil {
		return clock.New()
	}
	return r.Clock
}

// A chanPoller waits on a channel. Its sources call signal.
type chanPoller chan struct{}

func (p chanPoller) poll(block bool) error {
	if block {
		<-p
	}
	return nil
}

func (p chanPoller) wake() { p <- struct{}{} }

func (p chanPoller) awake() {}

func (p chanPoller) close() {}
