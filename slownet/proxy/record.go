package proxy

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Recording configures the recording of a proxy's connections; see [Proxy.Record].
type Recording struct {
	// Enabled turns recording on.
	Enabled bool `json:"enabled"`

	// Payloads is the maximum number of payload bytes kept for each event. Zero
	// means none; a negative number means all.
	Payloads int `json:"payloads"`
}

// RecordingInfo describes the recorded events.
type RecordingInfo struct {
	Recording
	Events  int    `json:"events"`  // events kept
	Bytes   int    `json:"bytes"`   // approximate memory of these events
	Dropped uint64 `json:"dropped"` // older events that were dropped to make room
}

// maxRecorded is the maximum memory for a proxy's events, in bytes.
const maxRecorded = 16 << 20

// eventSize is the approximate memory of an event without its payload.
const eventSize = 256

// A recorder keeps the latest events of a proxy's connections.
type recorder struct {
	isOn atomic.Bool

	mu      sync.Mutex // guards the fields below
	set     Recording
	events  []trace.Event
	size    int
	dropped uint64
}

// Record starts, changes or stops the recording of the proxy's connections, on the
// server's side. Starting drops earlier events; stopping keeps them. The latest 16 MiB
// are kept, which is about 60,000 events without payloads.
//
// Connections without a link are recorded immediately. A connection over a link is
// recorded if it was accepted after the recording was first started. Recorded connections
// lose io.Copy's fast path until they are closed.
func (p *Proxy) Record(r Recording) {
	p.recorder.start(r)
	p.relink() // also sets the traces of paths
	p.follow()
}

// Recording describes the recorded events.
func (p *Proxy) Recording() RecordingInfo {
	r := &p.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	return RecordingInfo{r.set, len(r.events), r.size, r.dropped}
}

// Recorded returns the recorded events, with the header of their trace.
func (p *Proxy) Recorded() (trace.Header, iter.Seq2[trace.Event, error]) {
	r := &p.recorder
	r.mu.Lock()
	events := slices.Clone(r.events)
	r.mu.Unlock()
	return trace.Header{Source: "proxy", Test: p.name, Seed: p.server.Seed}, func(yield func(trace.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// ForgetRecording stops the recording and drops its events.
func (p *Proxy) ForgetRecording() {
	p.Record(Recording{})
	r := &p.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events, r.size, r.dropped = nil, 0, 0
}

func (r *recorder) start(to Recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to.Enabled && !r.set.Enabled {
		r.events, r.size, r.dropped = nil, 0, 0
	}
	if !to.Enabled {
		to.Payloads = r.set.Payloads
	}
	r.set = to
	r.isOn.Store(to.Enabled)
}

// add records an event, and drops the oldest ones if there is no room.
func (r *recorder) add(e trace.Event) {
	if !r.isOn.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.set.Payloads; n >= 0 && len(e.Payload) > n {
		e.Payload = e.Payload[:n]
	}
	r.events, r.size = append(r.events, e), r.size+sizeOf(&e)
	if r.size <= maxRecorded {
		return
	}
	oldest := 0
	for ; r.size > maxRecorded*7/8; oldest++ { // several at once, so that most calls drop nothing
		r.size -= sizeOf(&r.events[oldest])
	}
	r.events = append(r.events[:0:0], r.events[oldest:]...)
	r.dropped += uint64(oldest)
}

func sizeOf(e *trace.Event) int { return eventSize + len(e.Payload) }

// traceLocked returns the trace function for the proxy's connections, and the maximum
// number of payload bytes of an event. The function is nil if there is neither a trace nor
// a recording.
func (p *Proxy) traceLocked() (told func(trace.Event), payloads int) {
	all, own := p.server.Trace, &p.recorder
	switch {
	case !own.isOn.Load():
		return all, 0
	case all == nil:
		return own.add, own.payloads()
	}
	return func(e trace.Event) {
		payload := e.Payload
		e.Payload = ""
		all(e)
		e.Payload = payload
		own.add(e)
	}, own.payloads()
}

func (r *recorder) payloads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set.Payloads
}
