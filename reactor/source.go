package reactor

import "sync"

// Pollable is a connection that can be read without blocking and reports when it
// becomes readable. A loop needs neither epoll nor a goroutine for it.
type Pollable interface {
	// TryRead reads available bytes. If there are none, it returns syscall.EAGAIN; at
	// the end of the stream, it returns io.EOF.
	TryRead(p []byte) (n int, err error)

	// NotifyReadable registers f, which is called when bytes, the end of the stream
	// or an error become readable, and immediately if they already are. f may be called
	// on any goroutine, and does not block. A nil f removes the registration.
	NotifyReadable(f func())
}

// newSource returns the best source for a connection.
func (r *Reactor) newSource(c *Conn) source {
	if pollable, ok := c.conn.(Pollable); ok {
		return newNotifier(pollable, c)
	}
	if s := r.newSocket(c); s != nil {
		return s
	}
	return newReadAhead(c)
}

// A notifier is the source of a connection that is Pollable.
type notifier struct {
	conn Pollable
}

func newNotifier(conn Pollable, c *Conn) notifier {
	conn.NotifyReadable(func() { c.reactor.signal(c) })
	return notifier{conn}
}

func (n notifier) tryRead(p []byte) (int, error) { return n.conn.TryRead(p) }
func (n notifier) repeats() bool                 { return false }
func (n notifier) stop()                         { n.conn.NotifyReadable(nil) }

// A readAhead is the source of any other connection: a goroutine reads it, one
// buffer ahead of the loop.
type readAhead struct {
	conn *Conn
	next chan struct{} // receives a token when the loop has read all of data; closed by stop

	mu   sync.Mutex // guards the fields below
	data []byte     // not yet read by the loop
	err  error      // the result of Read after data
}

// readAheadSize is the size of the read-ahead buffer in bytes.
const readAheadSize = 4096

func newReadAhead(c *Conn) *readAhead {
	r := &readAhead{conn: c, next: make(chan struct{}, 1)}
	c.reactor.readAheads.Go(r.run)
	return r
}

// run is the read-ahead goroutine. It ends when the Conn is closed; after Read
// has failed, it only waits for that.
func (r *readAhead) run() {
	buffer := make([]byte, readAheadSize)
	for {
		n, err := r.conn.conn.Read(buffer)
		r.mu.Lock()
		r.data, r.err = buffer[:n], err
		r.mu.Unlock()
		if n > 0 || err != nil {
			r.conn.reactor.signal(r.conn)
			if _, more := <-r.next; !more {
				return
			}
		}
	}
}

func (r *readAhead) tryRead(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.data) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		return 0, ErrWouldBlock
	}
	n := copy(b, r.data)
	if r.data = r.data[n:]; len(r.data) == 0 && r.err == nil {
		r.next <- struct{}{}
	}
	return n, nil
}

func (r *readAhead) repeats() bool { return false }

func (r *readAhead) stop() { close(r.next) }
