package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/precise"
	"github.com/slowpoetry/slowpoetry/slownet"
)

// A flow is one direction of a connection. It has a goroutine that reads while bytes
// come, and one that writes while bytes are on their way. Without toxics the one that
// reads has the operating system copy them. Neither is there while it is idle, if the
// socket can wait in the lot.
type flow struct {
	conn   *conn
	stream Stream

	mu       sync.Mutex // guards what follows; nothing blocks while it is held
	from, to net.Conn
	place    *place // of from in the lot; nil if it has none
	reader   readerState
	stale    net.Conn // a socket that has been wrapped, and that the reader has left in a hurry
	plain    bool     // both ends are sockets
	started  bool
	left     chan struct{} // closed when the reader has come out of a socket that it was told to leave
	discards bool          // whatever comes
	writing  bool          // the writer is there
	line     pipeline
	meter    meter

	room chan struct{} // told when there may be room for the reader
	wake chan struct{} // told when the writer is to look again
}

// A readerState is what the goroutine that reads does.
type readerState uint8

const (
	readerParked readerState = iota // there is none: the lot wakes one
	readerRuns
	readerEnded // there is nothing to read any longer
)

func (f *flow) init(c *conn, s Stream, from, to net.Conn, plain bool) {
	f.conn, f.stream, f.from, f.to, f.plain = c, s, from, to, plain
	f.room, f.wake = make(chan struct{}, 1), make(chan struct{}, 1)
}

func (f *flow) now() time.Duration { return f.conn.proxy.server.now() }

// tell leaves a token in a channel for who waits.
func tell(c chan struct{}) {
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
	f.kickLocked()
}

// kickLocked makes the writer look again, and begin if it is not there.
func (f *flow) kickLocked() {
	if f.writing {
		tell(f.wake)
		return
	}
	f.writing = true
	go f.write()
}

// write writes what is due until nothing is on its way, or nothing leaves before a
// change.
func (f *flow) write() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.conn.isClosed() {
		now := f.now()
		f.line.advance(now)
		tell(f.room)
		if !f.line.out.isEmpty() {
			it, to := f.line.out.pop(), f.to
			f.mu.Unlock()
			f.deliver(to, it)
			f.mu.Lock()
			f.meter.add(f.now(), len(it.data))
			continue
		}
		at, ok := f.line.next(now)
		if !ok {
			break
		}
		f.mu.Unlock()
		sleepUntil(at-f.now(), f.wake, f.conn.closed)
		f.mu.Lock()
	}
	f.writing = false
}

// deliver does what an item stands for at the end of its way.
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

// sleepUntil waits for d, until the channel is told, or until the connection is closed.
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

// idle is how long a socket may have nothing to read until its reader ends.
const idle = 50 * time.Millisecond

// wakeReader is called by the lot.
func (f *flow) wakeReader(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.reader {
	case readerParked:
		f.reader = readerRuns
		go f.read()
	case readerEnded:
		if broken {
			go f.conn.close(true) // the peer has reset what it had ended
		}
	}
}

// start begins to read.
func (f *flow) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = true
	if _, isWrapped := f.from.(*slownet.Conn); !isWrapped {
		f.place = f.conn.proxy.server.lot.place(f.from, f.wakeReader)
	}
	if !f.place.park() {
		f.reader = readerRuns
		go f.read()
	}
}

// read reads until nothing comes for a while, or the stream ends.
func (f *flow) read() {
	var buffer []byte
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.conn.isClosed() {
		switch {
		case f.canCopyLocked():
			if f.copyLocked() {
				return
			}
		case !f.discards && !f.line.hasRoom(0):
			f.mu.Unlock()
			select {
			case <-f.room:
			case <-f.conn.closed:
			}
			f.mu.Lock()
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

// readSize is the most that is read at a time.
const readSize = 64 << 10

// canCopyLocked reports whether nothing stands between the two sockets.
func (f *flow) canCopyLocked() bool {
	return f.plain && !f.discards && len(f.line.stages) == 0 && f.line.out.isEmpty() && !f.writing
}

// copyLocked copies from socket to socket until nothing comes for a while. It reports
// whether the reader has to end.
func (f *flow) copyLocked() (ends bool) {
	from, to := f.from, f.to
	patience := idle
	if f.place == nil {
		patience = time.Second // it has to look again for nothing
	}
	_ = from.SetReadDeadline(time.Now().Add(patience))
	f.mu.Unlock()
	n, err := io.Copy(to, from)
	f.mu.Lock()
	f.cameOutLocked()
	f.meter.add(f.now(), int(n))
	switch {
	case err == nil:
		f.endLocked(endItem)
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n == 0 && f.parkLocked()
	}
	f.mu.Unlock()
	f.conn.broken(err)
	f.mu.Lock()
	return false // which the connection's end tells
}

// readLocked reads what comes and puts it in front of the stages. It reports whether
// the reader has to end.
func (f *flow) readLocked(buffer []byte) (ends bool) {
	from, parks := f.from, f.place != nil
	switch {
	case f.stale != nil:
		_ = f.stale.SetReadDeadline(time.Time{}) // the wrapper has its own
		f.stale = nil
	case parks:
		_ = from.SetReadDeadline(time.Now().Add(idle))
	default:
		_ = from.SetReadDeadline(time.Time{}) // which an interruption may have set
	}
	f.mu.Unlock()
	n, err := from.Read(buffer)
	f.mu.Lock()
	f.cameOutLocked()
	if n > 0 {
		f.pushLocked(item{data: append([]byte(nil), buffer[:n]...), at: f.now()})
	}
	switch {
	case err == nil:
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n == 0 && parks && f.parkLocked()
	case errors.Is(err, io.EOF):
		f.endLocked(endItem)
	case errors.Is(err, net.ErrClosed):
		f.reader = readerEnded
	default:
		f.endLocked(resetItem)
	}
	return true
}

// endLocked notes that nothing is to be read any longer.
func (f *flow) endLocked(why itemKind) {
	f.reader = readerEnded
	f.pushLocked(item{at: f.now(), kind: why})
	f.place.parkForReset()
}

// parkLocked leaves reading to the lot. It reports whether the lot takes it.
func (f *flow) parkLocked() bool {
	if f.conn.isClosed() || !f.place.park() {
		return false
	}
	f.reader = readerParked
	return true
}

// interruptLocked makes the reader look again, if it may be in a socket.
func (f *flow) interruptLocked() {
	if f.plain && f.reader == readerRuns {
		_ = f.from.SetReadDeadline(aLongTimeAgo)
		if f.left == nil {
			f.left = make(chan struct{})
		}
		f.conn.proxy.leaving.add(f.left)
	}
}

var aLongTimeAgo = time.Unix(1, 0)

// cameOutLocked notes that the reader is in no socket.
func (f *flow) cameOutLocked() {
	if f.left != nil {
		close(f.left)
		f.left = nil
	}
}

// wrapLocked makes the flow go on over a wrapped connection to the server.
func (f *flow) wrapLocked(raw, wrapped net.Conn) {
	f.interruptLocked()
	f.plain = false
	if f.to == raw {
		f.to = wrapped
		return
	}
	f.from, f.stale = wrapped, raw
	f.place.leave()
	f.place = nil
	if f.started && f.reader == readerParked {
		f.reader = readerRuns
		go f.read()
	}
}

// setLocked makes the flow go through the given toxics. It returns what the removal of
// one does to the connection, if anything.
func (f *flow) setLocked(toxics []*toxic, changed *toxic) (what itemKind, has bool) {
	had := len(f.line.stages) > 0
	what, has = f.line.restage(restaging{f.now(), toxics, changed, f.conn.number, f.stream, false})
	if !had && len(f.line.stages) > 0 {
		f.interruptLocked()
	}
	f.kickLocked()
	return what, has
}
