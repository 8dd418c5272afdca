package reactor

import (
	"net"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// A Reactor is a loop that waits for connections. The zero Reactor is ready to
// use. Add, Call, Go and Run may be called from any goroutine, before Run and
// while it runs; handlers and functions are called by Run's goroutine only.
type Reactor struct {
	// Clock is the time that timers go by. Nil is the real one.
	Clock clock.Clock

	// OutOfDescriptors, if not nil, is called on the loop when a dial has failed
	// because the process has too many files open, and now waits for others to
	// end. It is called again only after a time in which none had to wait. See
	// [Reactor.Dial].
	OutOfDescriptors func(err error)

	mu      sync.Mutex // guards what follows
	calls   []func()   // to be called by the loop, in order
	signals []*Conn    // that said they may be readable, in order
	poller  poller     // what the loop sleeps in; only the loop replaces it
	asleep  bool       // the loop sleeps, or is about to, and nobody has woken it yet

	// Only the loop uses what follows.
	conns      int     // open connections
	jobs       int     // of Go that have not returned
	ready      []*Conn // that may be readable, in order
	spare      []*Conn // spare room for ready
	timers     timers
	dials      map[any]*dialQueue // by key
	wished     uint64             // counts wishes
	diallings  int                // that have not come back, or whose connection may not be in conns yet
	starvation starvation
	contexts   []*contextWatch // in order
	pumps      sync.WaitGroup  // the goroutines of pump sources
}

// A Handler is told when its connection can be read.
type Handler interface {
	// Readable is called on the loop when bytes, the end of the stream or an
	// error can be read from c, and again as long as it has not read all there
	// is. It must not block. When it is done with the connection it closes it.
	Readable(c *Conn)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(c *Conn)

// Readable calls f(c).
func (f HandlerFunc) Readable(c *Conn) { f(c) }

// A poller is what the loop sleeps in. It marks those connections ready whose
// readiness it learns of.
type poller interface {
	poll(block bool) error // with block, returns when something is ready, or after wake
	wake()                 // makes poll return; called with mu held, when the loop is asleep
	awake()                // takes wake back; called with mu held, after poll has returned
	close()
}

// Now returns the time by the reactor's clock.
func (r *Reactor) Now() time.Time { return r.clock().Now() }

// Add hands a connection and its handler to the loop. Nobody else may read or
// close the connection from then on, nor set its read deadline; a timer does
// that service. What is returned is for the loop.
func (r *Reactor) Add(conn net.Conn, handler Handler) *Conn {
	c := &Conn{conn: conn, reactor: r, handler: handler}
	r.Call(c.open)
	return c
}

// Call has f called on the loop, soon. It is how other goroutines get at what
// belongs to the loop.
func (r *Reactor) Call(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, f)
	r.wakeLocked()
}

// Go calls work on a goroutine of its own, where it may block, and then calls
// then on the loop. Run does not end before.
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

// Run is the loop. It returns nil when no connection is open and nothing that
// was handed to Call, Go or Dial is left to do; timers that have not fired by
// then never will, nor what waits for contexts. It returns an error when the
// system cannot wait any more. After it has returned it may be called again;
// two calls at once are not allowed.
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
		r.tellHandlers()
		if r.isDone() {
			return nil
		}
		if err := r.sleep(); err != nil {
			return err
		}
	}
}

// take returns what other goroutines have handed over.
func (r *Reactor) take() (calls []func(), signals []*Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls, signals = r.calls, r.signals
	r.calls, r.signals = nil, nil
	return calls, signals
}

// tellHandlers calls the handlers of the connections that are ready. One that
// has not read all there is gets its next turn after the others had theirs.
func (r *Reactor) tellHandlers() {
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

// markReady queues a connection for its handler to be told. Only the loop
// calls it.
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

// sleep polls, and waits if there is nothing else to do.
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

// wake makes the loop look at what there is.
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

// finish gives back what the loop used.
func (r *Reactor) finish() {
	r.timers.clear()
	r.clearContexts()
	if r.conns == 0 {
		r.pumps.Wait()
		r.setPoller(nil)
	}
}

// setPoller changes what the loop sleeps in.
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

// A chanPoller sleeps on a channel. The sources that go with it signal.
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
