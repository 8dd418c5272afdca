package simtest

import (
	"net"
	"os"
	"syscall"
)

// Write sends p. It waits while the window is full.
func (c *conn) Write(p []byte) (n int, err error) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	for {
		if err := c.writeErrorLocked(); err != nil {
			return n, c.opError("write", err)
		}
		if room := min(window-c.outstanding, len(p)-n); room > 0 {
			c.outstanding += room
			c.transmitLocked(append([]byte(nil), p[n:n+room]...))
			n += room
		}
		if n == len(p) {
			return n, nil
		}
		c.postLocked(wanting, c.peer.wantLocked)
		c.writable.Wait()
	}
}

// writeErrorLocked returns what stands in the way of a write, in the order in
// which a socket would tell.
func (c *conn) writeErrorLocked() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.writeDeadline.hasPassedLocked():
		return os.ErrDeadlineExceeded
	case c.err != nil:
		err := c.err
		c.err = nil
		return syscallError("write", err.(syscall.Errno))
	case c.reset || c.finished:
		return syscallError("write", syscall.EPIPE)
	}
	return nil
}

// transmitLocked sends bytes, which belong to the network from now on.
func (c *conn) transmitLocked(data []byte) {
	c.postLocked(sending, func() {
		c.sendLocked(len(data), func(n int) {
			c.peer.arriveLocked(data[:n:n])
			data = data[n:]
		})
	})
}

// CloseWrite ends the stream in this direction, behind what was written.
func (c *conn) CloseWrite() error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.reset:
		return c.opError("close", syscallError("shutdown", syscall.ENOTCONN))
	}
	c.finishLocked()
	c.writable.Broadcast()
	return nil
}

// finishLocked sends the end of the stream, if that was not done yet.
func (c *conn) finishLocked() {
	if c.finished {
		return
	}
	c.finished = true
	c.postLocked(sending, func() {
		c.sendLocked(0, func(int) {
			if !c.peer.closed && !c.peer.reset {
				c.peer.ended = true
				c.peer.tellLocked()
			}
		})
	})
}

// postLocked hands the network something that the connection wants.
func (c *conn) postLocked(kind kind, do func()) {
	c.posted[kind]++
	k := c.key()
	k.kind, k.sequence = kind, c.posted[kind]
	c.sim.postLocked(k, do)
}

// key returns where the connection comes in the order of all.
func (c *conn) key() key { return key{host: c.dialHost, conn: c.number, side: c.side} }

// sendLocked puts n bytes on their way to the peer; arrive is called for each
// piece of them, with its size. With n = 0 it is called once, behind all that
// was sent before. Only the loop calls sendLocked.
func (c *conn) sendLocked(n int, arrive func(n int)) {
	if c.routeVersion != c.route.version {
		c.routeVersion = c.route.version
		c.flow.SetLink(c.route.link)
	}
	for {
		piece := c.flow.Send(c.sim.now(), n)
		if piece.Failed {
			c.sim.queue.push(piece.Arrive, c.giveUpLocked)
			return
		}
		c.sim.queue.push(piece.Arrive, func() { arrive(piece.Bytes) })
		if n -= piece.Bytes; n <= 0 {
			return
		}
	}
}

// giveUpLocked is what happens when bytes were lost too often in a row.
func (c *conn) giveUpLocked() {
	if c.closed || c.reset {
		return
	}
	c.reset, c.err = true, syscall.ETIMEDOUT
	c.tellLocked()
	c.writable.Broadcast()
}
