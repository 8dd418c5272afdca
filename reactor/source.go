package reactor

import "sync"

// Pollable is a connection that can itself be read without blocking and tells
// when that is worth while. A loop needs no help of the system's for it.
type Pollable interface {
	// TryRead reads what is there. Where there is nothing it returns
	// syscall.EAGAIN, at the end of the stream io.EOF.
	TryRead(p []byte) (n int, err error)

	// NotifyReadable has f called whenever something becomes readable, bytes,
	// the end or an error, and at once if something is. f may be called from
	// any goroutine, and does not block. Nil ends it.
	NotifyReadable(f func())
}

// newSource returns the best source that there is for a connection.
func (r *Reactor) newSource(c *Conn) source {
	if pollable, ok := c.conn.(Pollable); ok {
		return newNotifier(pollable, c)
	}
	if s := r.newSocket(c); s != nil {
		return s
	}
	return newPump(c)
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

// A pump is the source of any other connection: a goroutine reads it, one
// buffer ahead of the loop.
type pump struct {
	conn *Conn
	next chan struct{} // gets a token when the loop has read all

	mu   sync.Mutex // guards what follows
	data []byte     // what was read and the loop has not
	err  error      // what comes after it
}

// ahead is how many bytes a pump reads ahead.
const ahead = 4096

func newPump(c *Conn) *pump {
	p := &pump{conn: c, next: make(chan struct{}, 1)}
	c.reactor.pumps.Go(p.run)
	return p
}

// run is the goroutine. It ends when the connection does, or is closed.
func (p *pump) run() {
	buffer := make([]byte, ahead)
	for {
		n, err := p.conn.conn.Read(buffer)
		p.mu.Lock()
		p.data, p.err = buffer[:n], err
		p.mu.Unlock()
		if n > 0 || err != nil {
			p.conn.reactor.signal(p.conn)
			if _, more := <-p.next; !more {
				return
			}
		}
	}
}

func (p *pump) tryRead(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.data) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		return 0, ErrWouldBlock
	}
	n := copy(b, p.data)
	if p.data = p.data[n:]; len(p.data) == 0 && p.err == nil {
		p.next <- struct{}{}
	}
	return n, nil
}

func (p *pump) repeats() bool { return false }

func (p *pump) stop() { close(p.next) }
