package simtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A failureNote is the state when a test was found to have failed: the last events, and
// who waited for what.
type failureNote struct {
	noted   bool
	at      time.Duration
	earlier int64 // events before these
	events  []trace.Event
	state   string
}

// noteFailureLocked takes a failureNote, unless there is one already, if the test has
// failed or must is set. It is called before each turn of the loop, when every
// goroutine is blocked, and before the end, so that the note does not include events
// after the failure.
func (s *Sim) noteFailureLocked(at time.Duration, must bool) {
	t := &s.trace
	if t.failure.noted || t.keep <= 0 || !must && (t.failed == nil || !t.failed()) {
		return
	}
	events := t.eventsLocked()
	t.failure = failureNote{noted: true, at: at, earlier: t.count - int64(len(events)), events: events}
	if s.report == "" { // the report has the state already
		t.failure.state = s.stateLocked()
		t.failure.state += s.standstillLocked(at)
	}
}

// standstill is the time without events on the network after which a failure lists the
// goroutines: they may be waiting for something else.
const standstill = 10 * time.Second

// standstillLocked reports the time since the last event on the network, and the places
// of the goroutines. It returns an empty string if that time is short.
func (s *Sim) standstillLocked(at time.Duration) string {
	quiet := at - s.trace.last
	if quiet < standstill || s.trace.count == 0 || s.running == nil {
		return ""
	}
	return fmt.Sprintf("Nothing had happened on the network for %v. Goroutines:\n%s", quiet, s.running())
}

// noteFailure takes a failureNote now, if the test has failed. Only goroutines of the
// bubble call it.
func (s *Sim) noteFailure() {
	if s.mu.TryLock() { // it can be locked forever, after a panic
		defer s.mu.Unlock()
		s.noteFailureLocked(s.now(), false)
	}
}

// failureText returns the text that a failure prints besides the error: the last
// events, the faults, and how to run it again. The simulation may be nil.
func (c *Config) failureText(t *testing.T, s *Sim, state bool) string {
	var text strings.Builder
	if s != nil && s.mu.TryLock() {
		s.noteFailureLocked(s.instant, true)
		at := s.instant
		if s.trace.failure.noted {
			at = s.trace.failure.at
		}
		c.eventFile.failed(at)
		told := s.trace.failure.text(state)
		text.WriteString(told)
		if told != "" && c.eventFile == nil {
			fmt.Fprintf(&text, "For all events, on a page or in Wireshark, run it with %s=folder.\n", traceVariable)
		}
		s.mu.Unlock()
	}
	text.WriteString(c.chaos.text())
	text.WriteString(c.replay.comparedText(s))
	if c.recording != nil && c.recording.holds {
		c.eventFile.hold()
	}
	text.WriteString(c.eventFile.end(true))
	text.WriteString(c.rerunText(t))
	return text.String()
}

// lastEvents begins a failure's list of events.
const lastEvents = "the last events before the failure"

// text is empty if there is nothing to report.
func (n *failureNote) text(state bool) string {
	if len(n.events) == 0 {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, which was found at %v", lastEvents, n.at)
	if n.earlier > 0 {
		fmt.Fprintf(&text, ", after %s", count(int(n.earlier), "other", "others"))
	}
	text.WriteString(":\n")
	for _, e := range n.events {
		if e.Kind == trace.Drop {
			e.Packet = nil // the connection and the offset are enough
		}
		fmt.Fprintf(&text, "  %v\n", e)
	}
	if state {
		text.WriteString(n.state)
	}
	return text.String()
}
