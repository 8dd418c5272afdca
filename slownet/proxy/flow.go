package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/precise"
	"github.com/slowpoetry/slowpoetry/slownet"
)

// A flow is one direction of a connection. It has a reader goroutine while bytes come
// in, and a writer goroutine while bytes are in its stages. Without toxics the reader
// makes the operating system copy the bytes. While the flow is idle it has neither,
// if the poller can wait for its socket.
type flow struct {
	conn   *conn
	stream Stream

	toxics atomic.Pointer[toxicSet] // the toxics in effect; set while the lock is held
	wraps  atomic.Bool              // the flow uses the wrapped connection; set while the lock is held

	followLock // guards the fields below; nothing blocks while it is held
	from, to   net.Conn
	polled     *polledSocket // of from; nil if there is none
	reader     readerState
	stale      net.Conn // the raw socket of a wrapped connection, which the reader has left on an interruption
	plain      bool     // both ends are raw sockets
	started    bool
	left       chan struct{} // closed when the reader has left a socket after an interruption
	discards   bool          // arriving bytes are discarded
	writing    bool          // the writer is running
	line       pipeline
	alarm      *time.Timer // nil if no toxic acts by itself
	meter      meter

	room chan struct{} // signalled when there may be room for the reader
	wake chan struct{} // signalled when the writer must check again
}

// A readerState is the state of a flow's reader.
type readerState uint8

const (
	readerPolled readerState = iota // no goroutine: the poller starts one
	readerRuns
	readerEnded // nothing is left to read
)

func (f *flow) init(c *conn, s Stream, from, to net.Conn, plain bool) {
	f.conn, f.stream, f.from, f.to, f.plain = c, s, from, to, plain
	f.wraps.Store(!plain)
	f.room, f.wake = make(chan struct{}, 1), make(chan struct{}, 1)
}

func (f *flow) now() time.Duration { return f.conn.proxy.server.now() }

// signalTo signals a channel without blocking.
func signalTo(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pushLocked puts an item in front of the first stage.
func (f *flow) pushLocked(it item) {
	if f.discards && it.kind == bytesItem {
		return
	}
	f.line.put(0, it.at, it)
	f.wakeWriterLocked()
}

// wakeWriterLocked makes the writer check again, and starts it if it is not running.
func (f *flow) wakeWriterLocked() {
	if f.writing {
		signalTo(f.wake)
		return
	}
	f.writing = true
	f.conn.run(f.write)
}

// write writes due items until the stages are empty, or hold only items that no time
// lets pass.
func (f *flow) write() {
	f.lock()
	defer f.unlock()
	for !f.conn.isClosed() {
		now := f.now()
		f.line.advance(now)
		signalTo(f.room)
		if !f.line.out.isEmpty() {
			it, to := f.line.out.pop(), f.to
			f.unlock()
			f.deliver(to, it)
			f.lock()
			f.meter.add(f.now(), len(it.data))
			continue
		}
		at, ok := f.line.next(now)
		if !ok {
			break
		}
		f.unlock()
		sleepUntil(at-f.now(), f.wake, f.conn.closed)
		f.lock()
	}
	f.writing = false
}

// deliver performs an item's effect at the end of the pipeline.
func (f *flow) deliver(to net.Conn, it item) {
	switch it.kind {
	case endItem:
		f.conn.end(f.stream, to)
	case resetItem:
		f.conn.close(true)
	case finishItem:
		f.conn.finish()
	default:
		if _, err := to.Write(it.data); err != nil {
			f.conn.broken(err)
		}
	}
}

// sleepUntil waits for d, for a signal on wake, or until the connection is closed.
func sleepUntil(d time.Duration, wake, closed <-chan struct{}) {
	if precise.CanSleep {
		if d < precise.Grain {
			precise.Sleep(d)
			return
		}
		d -= precise.Grain
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-closed:
	}
}

// idle is the time without bytes after which a socket's reader ends.
const idle = 50 * time.Millisecond

// wakeReader is called by the poller.
func (f *flow) wakeReader(broken bool) {
	f.lock()
	defer f.unlock()
	switch f.reader {
	case readerPolled:
		f.reader = readerRuns
		f.conn.run(f.read)
	case readerEnded:
		if broken {
			f.conn.run(func() { f.conn.close(true) }) // the peer has reset the connection after its end of stream
		}
	}
}

// start starts reading.
func (f *flow) start() {
	f.lock()
	defer f.unlock()
	f.started = true
	if _, isWrapped := f.from.(*slownet.Conn); !isWrapped {
		f.polled = f.conn.proxy.server.poller.add(f.from, f.wakeReader)
	}
	if !f.polled.arm() {
		f.reader = readerRuns
		f.conn.run(f.read)
	}
}

// read reads until nothing comes for a while, or the stream ends.
func (f *flow) read() {
	var buffer []byte
	f.lock()
	defer f.unlock()
	for !f.conn.isClosed() {
		switch {
		case f.canCopyLocked():
			if f.copyLocked() {
				return
			}
		case !f.discards && !f.line.hasRoom(0):
			f.unlock()
			select {
			case <-f.room:
			case <-f.conn.closed:
			}
			f.lock()
		default:
			if buffer == nil {
				buffer = make([]byte, readSize)
			}
			if f.readLocked(buffer) {
				return
			}
		}
	}
	f.reader = readerEnded
}

// readSize is the maximum size of a read.
const readSize = 64 << 10

// canCopyLocked reports whether nothing has to be done to the bytes between the two
// sockets.
func (f *flow) canCopyLocked() bool {
	return f.plain && !f.discards && len(f.line.stages) == 0 && f.line.out.isEmpty() && !f.writing
}

// copyLocked copies from socket to socket until nothing comes for a while. It reports
// whether the reader must end.
func (f *flow) copyLocked() (ends bool) {
	from, to := f.from, f.to
	patience := idle
	if f.polled == nil {
		patience = time.Second // it has no reason to check again sooner
	}
	_ = from.SetReadDeadline(time.Now().Add(patience))
	f.unlock()
	n, err := io.Copy(to, from)
	f.lock()
	f.leftSocketLocked()
	f.meter.add(f.now(), int(n))
	switch {
	case err == nil:
		f.endLocked(endItem)
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n == 0 && f.pollLocked()
	}
	f.unlock()
	f.conn.broken(err)
	f.lock()
	return false // the caller sees that the connection is closed
}

// readLocked reads bytes and puts them in front of the stages. It reports whether
// the reader must end.
func (f *flow) readLocked(buffer []byte) (ends bool) {
	from, polls := f.from, f.polled != nil
	switch {
	case f.stale != nil:
		_ = f.stale.SetReadDeadline(time.Time{}) // the wrapper sets its own
		f.stale = nil
	case polls:
		_ = from.SetReadDeadline(time.Now().Add(idle))
	default:
		_ = from.SetReadDeadline(time.Time{}) // an interruption may have set it
	}
	f.unlock()
	n, err := from.Read(buffer)
	f.lock()
	f.leftSocketLocked()
	if n > 0 {
		f.pushLocked(item{data: append([]byte(nil), buffer[:n]...), at: f.now()})
	}
	switch {
	case err == nil:
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n == 0 && polls && f.pollLocked()
	case errors.Is(err, io.EOF):
		f.endLocked(endItem)
	case errors.Is(err, net.ErrClosed):
		f.reader = readerEnded
	default:
		f.endLocked(resetItem)
	}
	return true
}

// endLocked notes that nothing is left to read.
func (f *flow) endLocked(why itemKind) {
	f.reader = readerEnded
	f.pushLocked(item{at: f.now(), kind: why})
	f.polled.armForReset()
}

// pollLocked makes the poller wait for bytes instead of the reader. It reports whether the
// poller does.
func (f *flow) pollLocked() bool {
	if f.conn.isClosed() || !f.polled.arm() {
		return false
	}
	f.reader = readerPolled
	return true
}

// interruptLocked makes the reader check again, if it may be blocked in a socket. Calls
// wait only once for a reader that is blocked in a write.
func (f *flow) interruptLocked() {
	if f.plain && f.reader == readerRuns {
		_ = f.from.SetReadDeadline(aLongTimeAgo)
		if f.left == nil {
			f.left = make(chan struct{})
			f.conn.proxy.interruption.add(f.left)
		}
	}
}

var aLongTimeAgo = time.Unix(1, 0)

// leftSocketLocked notes that the reader is in no socket.
func (f *flow) leftSocketLocked() {
	if f.left != nil {
		close(f.left)
		f.left = nil
	}
}

// wrapLocked makes the flow use a wrapped connection to the server from now on.
func (f *flow) wrapLocked(wrapped net.Conn) {
	f.interruptLocked()
	f.plain = false
	raw := f.conn.raw
	if f.to == raw {
		f.to = wrapped
		return
	}
	f.from, f.stale = wrapped, raw
	f.polled.remove()
	f.polled = nil
	if f.started && f.reader == readerPolled {
		f.reader = readerRuns
		f.conn.run(f.read)
	}
}
