package simtest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A recording holds the events of one run of CheckDeterminism. Its methods are
// called with the simulation's mu held, or after the simulation has ended.
type recording struct {
	digests []trace.Digest // after each event
	events  []recorded     // the first events; in the second run, those that differ
	shape   trace.Digest   // digest of the events without their bytes
	senders senders
	file    *eventFile // requested by SIMTEST_TRACE, when the run has ended
	holds   bool       // the file is kept only if the runs differ, whether or not they fail

	unseeded bool // the process's random numbers are not seeded

	room int // number of bytes that may still be recorded; negative if none

	// Of the second run:
	other  *recording  // the first run's
	common trace.Event // the last event that both runs have
	at     int         // number of events that both runs have in common
}

// A recorded event can be shown in a report.
type recorded struct {
	trace.Event
	kept
}

// kept are the recorded bytes of an event.
type kept struct {
	bytes []byte   // the bytes that arrived; nil if they were not recorded
	by    *written // the writes of the bytes; nil if they are not known
}

// Limits of the recorded events and bytes. The digests of all events are recorded.
const (
	maxRecorded      = 1 << 20
	maxRecordedBytes = 64 << 20

	// maxDiffering is the maximum number of a run's events that are compared, all at
	// the instant of the difference.
	maxDiffering = 1000
)

// newRecording returns an empty recording: of the first run if other is nil, and
// otherwise of the second run, which is compared with other.
func newRecording(other *recording) *recording {
	return &recording{other: other, room: maxRecordedBytes}
}

// bytes returns a copy of an event's bytes, if there is room for it, and the writes of
// the bytes. The bytes are passed in two parts.
func (r *recording) bytes(first, second []byte, by *written) kept {
	k := kept{by: by}
	if n := len(first) + len(second); r.keeps(n) {
		k.bytes = append(append(make([]byte, 0, n), first...), second...)
	}
	return k
}

// keeps reserves room for n more bytes, and reports whether there was room. Once there
// is none, no more bytes are recorded. The second run needs no room, since it keeps
// bytes only until they have been compared.
func (r *recording) keeps(n int) bool {
	if r.room < 0 || r.other != nil {
		return r.room >= 0
	}
	r.room -= n
	return r.room >= 0
}

// event adds an event and its recorded bytes. digest covers all events up to this one.
func (r *recording) event(e trace.Event, digest trace.Digest, k kept) {
	i := len(r.digests)
	r.digests = append(r.digests, digest)
	next := recorded{e, k}
	shape := e
	shape.Hash = 0
	r.shape = r.shape.Add(&shape)
	if r.other == nil {
		if i < maxRecorded {
			r.events = append(r.events, next)
		}
		return
	}
	switch differ := i >= len(r.other.digests) || r.other.digests[i] != digest; {
	case !differ:
		r.at, r.common = i+1, e
		if next.by != nil {
			next.by.forget(e.Offset)
		}
	case len(r.events) == 0, e.At == r.events[0].At && len(r.events) < maxDiffering:
		r.events = append(r.events, next)
	}
}

// keepTraces keeps the traces of both runs, if there are any, and returns a message
// about them.
func (r *recording) keepTraces() string {
	if r.file == nil || r.other.file == nil {
		return ""
	}
	first, firstErr := r.other.file.keepAs("first")
	second, secondErr := r.file.keepAs("second")
	text := tracesText(first, second, strings.TrimSuffix(r.file.name, traceEnding)+".html")
	if err := errors.Join(firstErr, secondErr); err != nil {
		text = fmt.Sprintf("their traces: %v\n", err) + text
	}
	return text
}

// tracesText says where the traces of two runs are, and how to make a page of them.
func tracesText(first, second, page string) string {
	return fmt.Sprintf("their traces are in %s and %s. For a page with the first difference marked in both%s:\n%s\n", first, second, installHint(),
		reportCommand(runtime.GOOS, "--compare", first, second, "-o", page))
}

// dropTrace deletes the run's trace, unless it is kept.
func (r *recording) dropTrace() { r.file.drop() }
