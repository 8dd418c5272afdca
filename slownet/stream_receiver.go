package slownet

import (
	"io"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// maxUnread is the number of bytes, arrived or in flight, beyond which the
// read-ahead pauses while arrived bytes wait for the reader.
const maxUnread = 256 << 10

// A receiver carries bytes from the inner connection over its link to the
// reader. While nothing is in flight, the reader itself waits in the inner
// connection. As soon as something is in flight, a goroutine, the read-ahead,
// reads, so that latencies overlap. It ends when the reader has received
// everything.
type receiver struct {
	streamHalf
	inbox []sentPiece // in order of arrival
	size  int         // bytes
	ended bool        // the inner connection returned io.EOF or another error
	reset peerReset
	end   error         // the error, if ended
	endAt time.Duration // the error's arrival time
}

// read reads bytes that have arrived, and waits if there are none.
func (r *receiver) read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p) == 0 {
		if r.closed || r.err != nil {
			return 0, r.checkLocked()
		}
		return 0, nil
	}
	if err := r.takeTurnLocked(); err != nil {
		return 0, err
	}
	defer r.releaseTurnLocked()
	began := r.sinceLocked()
	for since := began; n == 0 && err == nil; {
		if err := r.checkLocked(); err != nil {
			if isReset(r.end) && r.endAt <= r.now() {
				r.conn.arriveReset() // nothing else calls it after this error
			}
			return 0, err
		}
		if r.tcp != nil && !r.stalled {
			r.advanceLocked()
		}
		switch now := r.now(); {
		case r.stalled:
			r.waitLocked(&r.changed, never)
			since = r.now()
		case r.isSpentLocked():
			return 0, io.EOF
		case len(r.inbox) > 0 && r.arrivalLocked(&r.inbox[0]) <= now && r.inbox[0].failed:
			r.mu.Unlock()
			r.conn.breakOff(syscall.ETIMEDOUT)
			r.mu.Lock()
		case len(r.inbox) > 0 && r.inbox[0].arrive <= now:
			n = r.takeLocked(p, began)
		case len(r.inbox) > 0:
			r.waitLocked(&r.changed, r.nextArrivalLocked(&r.inbox[0]))
		case r.tcp != nil && r.tcp.failed:
			r.giveUpLocked()
		case r.tcp != nil && r.tcp.arrived() > 0:
			n = r.takeTCPLocked(p)
		case r.tcp != nil && (r.tcp.isBusy() || r.ended && r.endAt == timeline.End):
			r.awaitTCPLocked()
		case r.ended && r.endAt > now:
			r.waitLocked(&r.changed, r.endAt)
		case r.ended:
			err = r.end
			r.ended = !isTimeout(err) // the next read may succeed
			if err == io.EOF {
				r.traceEndLocked()
			}
			if isReset(err) {
				r.end = io.EOF
				err = r.conn.readReset(err)
			}
		case r.background:
			r.waitLocked(&r.changed, never) // the read-ahead is about to end
		case r.flow.Free() > now:
			r.waitLocked(&r.changed, r.flow.Free())
		case r.tcp != nil && r.tcp.pacedUntil() > now:
			r.waitLocked(&r.changed, r.tcp.pacedUntil())
		case r.tcp == nil && r.back == nil && r.link.ArrivesAtOnce():
			n, err = r.readThroughLocked(since, p)
		default:
			err = r.readAheadLocked(since, p)
			since = r.now()
		}
	}
	return n, err
}

// takeLocked hands the reader the bytes that have arrived. Bytes that had arrived
// before the call began were due at its start.
func (r *receiver) takeLocked(p []byte, began time.Duration) (n int) {
	p = r.allowance.cut(p)
	for now := r.now(); n < len(p) && len(r.inbox) > 0 && r.arrivalLocked(&r.inbox[0]) <= now && !r.inbox[0].failed; {
		head := &r.inbox[0]
		r.dueLocked(max(head.arrive, began))
		copied := copy(p[n:], head.data)
		n += copied
		if head.data = head.data[copied:]; len(head.data) == 0 {
			*head = sentPiece{}
			r.inbox = r.inbox[1:]
		}
	}
	r.size -= n
	r.deliveredLocked(p[:n])
	r.allowance.spend(n)
	if len(r.inbox) == 0 {
		r.inbox = nil
		if !r.tcp.isBusy() {
			r.recallLocked()
		}
	}
	r.work.wake()
	return n
}

// isBusyLocked reports whether bytes are in flight or wait for the reader.
func (r *receiver) isBusyLocked() bool { return len(r.inbox) > 0 || r.tcp.isBusy() }

// deliveredLocked counts the bytes that the reader has received.
func (r *receiver) deliveredLocked(data []byte) {
	r.traceDataLocked(data)
	r.delivered += int64(len(data))
}

// readThroughLocked reads on the reader's own goroutine, from a link on which
// bytes arrive as they leave.
func (r *receiver) readThroughLocked(since time.Duration, p []byte) (int, error) {
	allowance := r.allowance
	p = allowance.cut(p)
	if pace := r.link.Pace.Bytes; pace > 0 {
		p = p[:min(len(p), pace)]
	}
	at := r.now()
	n, err := r.directly(r.conn.inner.Read, p)
	if n > 0 {
		if r.now()-at > maxNoWait {
			since = r.now() // the bytes were not there before
		}
		r.sendLocked(r.entryTimeLocked(since), n)
		r.traceLocked(trace.Send, r.passed, n, 0, "")
		r.passed += int64(n)
		r.deliveredLocked(p[:n])
		allowance.spend(n)
	}
	if err == io.EOF {
		r.traceEndLocked()
	}
	if isReset(err) && r.err == nil {
		err = r.conn.readReset(err)
	}
	return n, err
}

// readAheadLocked reads from the inner connection on the reader's own
// goroutine, and puts the bytes into flight. It returns an error that concerns
// only this call.
func (r *receiver) readAheadLocked(since time.Duration, p []byte) error {
	at := r.now()
	n, err := r.directly(r.conn.inner.Read, p[:min(len(p), r.roomLocked())]) // p serves as a buffer
	if r.now()-at > maxNoWait {
		since = r.now()
	}
	if n == 0 && isTimeout(err) {
		return err
	}
	r.transmitLocked(since, p[:n], err)
	if r.isBusyLocked() && !r.ended && r.err == nil && !r.closed {
		r.beginWorkLocked(r.readAhead)
	}
	return nil
}

// transmitLocked puts bytes that were read from the inner connection into flight.
func (r *receiver) transmitLocked(since time.Duration, p []byte, err error) {
	if r.err != nil || r.ended {
		return
	}
	if r.startTCPLocked() {
		r.transmitTCPLocked(p, err)
		return
	}
	at := r.entryTimeLocked(since)
	if len(p) > 0 {
		r.traceLocked(trace.Send, r.passed, len(p), 0, "")
		p = append([]byte(nil), p...)
	}
	for len(p) > 0 {
		piece := r.sendLocked(at, len(p))
		r.tracePieceLocked(piece)
		r.inbox = append(r.inbox, r.newPieceLocked(p[:piece.Bytes:piece.Bytes], &piece))
		r.size += piece.Bytes
		r.passed += int64(piece.Bytes)
		p = p[piece.Bytes:]
	}
	if err != nil {
		r.ended, r.end, r.endAt = true, err, r.sendEndLocked()
		if isReset(err) {
			r.conn.seeReset(r.endAt)
		}
	}
}

// close makes later reads fail, and blocked ones after failBlocked. It reports
// whether there are unread bytes.
func (r *receiver) close() (unread bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unread = r.size > 0
	r.inbox, r.size = nil, 0
	r.tcp.discard()
	r.closeLocked()
	return unread
}
