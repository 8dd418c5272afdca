package simtest

import (
	"log/slog"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/zeebo/xxh3"
)

// A Trace is the sequence of a simulation's events. It keeps a digest of all of them,
// and the last [Config.KeepEvents] events. It can still be used after the simulation
// has ended.
type Trace struct {
	sim        *Sim
	keep       int
	hook       func(trace.Event)
	file       *eventFile
	logger     *slog.Logger
	payloads   int         // maximum number of payload bytes of an event; negative for all
	failed     func() bool // whether the test has failed; nil if unknown
	packets    bool        // packets are recorded
	passedOn   bool        // events are passed to any of recording, file, logger and hook
	needsBytes bool        // arriving bytes may be part of an event, or of the recording
	recording  *recording  // of CheckDeterminism
	arrived    kept        // of the next event, for the recording

	// Guarded by sim.mu.
	digest trace.Digest
	count  int64
	number uint32        // of the last packet
	last   time.Duration // time of the last event
	ring   []trace.Event
	oldest int         // index in ring of the oldest event
	event  trace.Event // memory for an event that does not replace the oldest one, see upcoming

	failure failureNote
}

func (t *Trace) init(s *Sim, config Config) {
	t.sim, t.keep, t.hook, t.recording = s, config.keepEvents(), config.Trace, config.recording
	t.file, t.payloads, t.logger = config.eventFile, config.Payloads, config.Logger
	t.packets = config.Packets
	if t.file != nil {
		t.payloads, t.packets = -1, true
	}
	t.needsBytes = t.recording != nil || t.payloads != 0 || t.packets
	t.passedOn = t.recording != nil || t.file != nil || t.logger != nil || t.hook != nil
}

// Trace returns the trace of the simulation.
func (s *Sim) Trace() *Trace { return &s.trace }

// Digest returns a digest of all events so far, in hexadecimal: runs with the same
// digest had the same events in the same order.
func (t *Trace) Digest() string {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.digest.String()
}

// Len returns the number of events so far.
func (t *Trace) Len() int64 {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.count
}

// Events returns the last events, oldest first: at most [Config.KeepEvents].
func (t *Trace) Events() []trace.Event {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.eventsLocked()
}

func (t *Trace) eventsLocked() []trace.Event {
	return append(append([]trace.Event(nil), t.ring[t.oldest:]...), t.ring[:t.oldest]...)
}

// upcoming returns the memory in which the next event is kept, so that an event filled in
// there is not copied. Nothing else may be recorded until recordLocked is called with it.
func (t *Trace) upcoming() *trace.Event {
	if t.oldest < len(t.ring) && len(t.ring) == t.keep {
		return &t.ring[t.oldest]
	}
	return &t.event
}

// recordLocked sets an event's time to the present and adds it. Only the loop calls it.
func (s *Sim) recordLocked(e *trace.Event) {
	t := &s.trace
	e.At = s.instant
	t.digest = t.digest.Add(e)
	t.count++
	t.last = e.At
	switch {
	case t.keep <= 0:
	case len(t.ring) < t.keep:
		t.ring = append(t.ring, *e)
	default:
		if kept := &t.ring[t.oldest]; kept != e {
			*kept = *e
		}
		if t.oldest++; t.oldest == t.keep {
			t.oldest = 0
		}
	}
	if t.passedOn {
		t.passOnLocked(e)
	}
}

// passOnLocked passes an event to whoever wants it at once.
func (t *Trace) passOnLocked(e *trace.Event) {
	if t.recording != nil {
		t.recording.event(*e, t.digest, t.arrived)
		t.arrived = kept{}
	}
	if t.file != nil {
		t.file.write(e)
	}
	if t.logger != nil {
		logEvent(t.logger, e)
	}
	if t.hook != nil {
		t.hook(*e)
	}
}

// isTold reports whether each event is passed to a hook or a file.
func (t *Trace) isTold() bool { return t.hook != nil || t.file != nil }

// payloadsOf returns the maximum number of payload bytes in the data events of a
// connection. If packets are recorded, it is unlimited on an ideal stream, which has no
// packets.
func (t *Trace) payloadsOf(c *conn) int {
	if c.tcp == nil && t.packets {
		return -1
	}
	return t.payloads
}

// payload returns at most limit bytes of two parts; if limit is below 0, all.
func payload(first, second []byte, limit int) string {
	n := len(first) + len(second)
	if limit >= 0 {
		n = min(n, limit)
	}
	first = first[:min(len(first), n)]
	return string(first) + string(second[:n-len(first)])
}

// hash returns a hash of bytes for a trace. It is the same on every platform, and much
// faster than copying.
func hash(data []byte) uint32 { return uint32(xxh3.Hash(data)) }

// faultLocked records an operation on the network.
func (s *Sim) faultLocked(what, from, to string) {
	s.recordLocked(&trace.Event{Kind: trace.Fault, From: from, To: to, Note: what})
}

// hostEventLocked records an operation on a host.
func (h *Host) hostEventLocked(what string) {
	h.sim.recordLocked(&trace.Event{Kind: trace.HostEvent, To: h.name, Note: what})
}
