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
	events  []recorded     // the first of them, in the second run those that differ
	shape   trace.Digest   // a digest of the events without their bytes
	senders senders
	file    *eventFile // what SIMTEST_TRACE asks for, when the run has ended
	holds   bool       // the file's name tells nothing of a failure: it is held whatever happens

	unseeded bool // the process's random numbers are

	room int // how many more bytes may be kept; below 0 no more are

	// Of the second run:
	other  *recording  // the first run's
	common trace.Event // the last one that both runs have
	at     int         // how many they have in common
}

// A recorded event is one that can be shown.
type recorded struct {
	trace.Event
	kept
}

// The bytes of an event, as far as they are kept.
type kept struct {
	bytes []byte   // that have arrived; nil if they were not kept
	by    *written // who wrote them; nil if that is not known
}

// The digests of all events are kept, and so many events and bytes.
const (
	maxRecorded      = 1 << 20
	maxRecordedBytes = 64 << 20

	// maxDiffering is how many of the second run's events are kept: those of the
	// instant at which the runs part.
	maxDiffering = 1000
)

// newRecording returns an empty recording, of the first run, or of the second
// one, which is compared with the first.
func newRecording(other *recording) *recording {
	return &recording{other: other, room: maxRecordedBytes}
}

// bytes returns the part of an event's bytes that is to be kept, and who wrote
// them. The bytes are in two parts.
func (r *recording) bytes(first, second []byte, by *written) kept {
	k := kept{by: by}
	if n := len(first) + len(second); r.keeps(n) {
		k.bytes = append(append(make([]byte, 0, n), first...), second...)
	}
	return k
}

// keeps tells whether there is room for n more bytes. Once there is no room, no
// more are kept. The second run keeps them only until they have been compared.
func (r *recording) keeps(n int) bool {
	if r.room < 0 || r.other != nil {
		return r.room >= 0
	}
	r.room -= n
	return r.room >= 0
}

// event adds an event, and what was kept of its bytes. digest is that of all events
// with it.
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

// keepTraces keeps the traces of the second run and of the first, if there are any, and
// returns what is to be told of them.
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

// tracesText tells of the traces of two runs, and how to make a page of them.
func tracesText(first, second, page string) string {
	return fmt.Sprintf("their traces are in %s and %s. For a page with the first difference marked in both%s:\n%s\n", first, second, installHint(),
		reportCommand(runtime.GOOS, "--compare", first, second, "-o", page))
}

// dropTrace deletes the run's trace, unless it is kept.
func (r *recording) dropTrace() { r.file.drop() }
