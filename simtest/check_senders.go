package simtest

import (
	"fmt"
	"runtime"
)

// A sender identifies a writing goroutine by properties that are the same in both runs:
// its host and its call stack.
type sender struct {
	host  string      // empty if it belongs to no host
	calls [24]uintptr // the innermost first
}

// A written records the writes in one direction of a connection, or the write of a
// datagram.
type written struct {
	start int64 // offset of the first call's bytes in the stream
	calls []*writing
}

// A writing is one call of Write.
type writing struct {
	n      int // of bytes; fewer than requested if the call failed
	sender int32
}

// writingSize is the approximate size of a writing in bytes.
const writingSize = 32

// forget drops records of bytes before an offset.
func (w *written) forget(offset int64) {
	for len(w.calls) > 0 && w.start+int64(w.calls[0].n) <= offset {
		w.start += int64(w.calls[0].n)
		w.calls = w.calls[1:]
	}
}

// A part is the part of an event's bytes that one call of Write wrote.
type part struct {
	n      int // of bytes
	sender int32
}

// within divides the n bytes from an offset on into the parts that single calls of
// Write wrote. It returns nil if not all of the calls are known.
func (w *written) within(offset int64, n int) (parts []part) {
	if w == nil {
		return nil
	}
	start := w.start
	for _, call := range w.calls {
		end := start + int64(call.n)
		if from, to := max(start, offset), min(end, offset+int64(n)); from < to {
			parts = append(parts, part{int(to - from), call.sender})
		}
		start = end
	}
	if start < offset+int64(n) {
		return nil
	}
	return parts
}

// A senders records the writing goroutines of a run, and the bytes that each of them
// wrote.
type senders struct {
	known   map[sender]int32
	all     []sender
	streams map[*conn]*written // by the receiving end
}

// caller returns the number of the calling goroutine's sender. The sender's call stack
// leaves out this function and the two that led to it.
func (s *senders) caller() int32 {
	from := sender{host: callersHost()}
	runtime.Callers(4, from.calls[:])
	number, ok := s.known[from]
	if !ok {
		if s.known == nil {
			s.known = make(map[sender]int32)
		}
		number = int32(len(s.all))
		s.all = append(s.all, from)
		s.known[from] = number
	}
	return number
}

// wrote records that the calling goroutine writes n bytes for the receiving end. It
// returns the record, or nil.
func (r *recording) wrote(end *conn, n int) *writing {
	if n == 0 || !r.keeps(writingSize) {
		return nil
	}
	w := r.senders.streams[end]
	if w == nil {
		if r.senders.streams == nil {
			r.senders.streams = make(map[*conn]*written)
		}
		w = new(written)
		r.senders.streams[end] = w
	}
	call := &writing{n, r.senders.caller()}
	w.calls = append(w.calls, call)
	return call
}

// sent records that the calling goroutine sends a datagram of n bytes. It returns the
// record, or nil.
func (r *recording) sent(n int) *written {
	if !r.keeps(writingSize) {
		return nil
	}
	return &written{calls: []*writing{{n, r.senders.caller()}}}
}

// place returns the place of the sender's call.
func (s *sender) place() place {
	var stack stack
	frames := runtime.CallersFrames(s.calls[:])
	for {
		call, more := frames.Next()
		if call.Function != "" {
			stack.add(frame{function: call.Function, file: fmt.Sprintf("%s:%d", call.File, call.Line)})
		}
		if !more {
			return stack.place("")
		}
	}
}

// describe returns a description of the sender.
func (s *sender) describe() string {
	who := "a goroutine without a host"
	if s.host != "" {
		who = fmt.Sprintf("a goroutine of host %q", s.host)
	}
	p := s.place()
	if p.from != "" {
		return fmt.Sprintf("%s, in %s, from %s", who, p.where, p.from)
	}
	return fmt.Sprintf("%s, in %s", who, p.where)
}
