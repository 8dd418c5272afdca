package simtest

import (
	"fmt"
	"strings"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// compare describes the difference between the two runs. It returns an empty string
// if there is none.
func (r *recording) compare() string {
	d := r.difference()
	if d == nil {
		return ""
	}
	return d.text(r.at, r.common)
}

// text describes the difference. at is the number of events that the runs have in
// common, and common is the last of these.
func (d *difference) text(at int, common trace.Event) string {
	var text strings.Builder
	fmt.Fprintf(&text, "simtest: two runs with one seed differ, from event %d on\n", at+1)
	if at > 0 {
		fmt.Fprintf(&text, "  last in common: %v\n", common)
	}
	for _, branch := range d.branches() {
		fmt.Fprintf(&text, "  %-15s %s\n", branch.name+" run:", branch.event())
	}
	switch a, _, ok := d.differing(); {
	case d.bytesDiffer():
		d.writeBytes(&text)
	case ok && a.Length > 0 && a.bytes == nil:
		fmt.Fprintf(&text, "The bytes were not recorded, because there were more than %d MiB before.\n", maxRecordedBytes>>20)
	}
	d.writeSenders(&text)
	if d.sameShape {
		text.WriteString("The runs differ only in content: the times, lengths and order of all events are the same.\n")
	}
	text.WriteString(d.advice())
	return text.String()
}

// A difference is the point where two runs diverge.
type difference struct {
	first, second branch
	sameShape     bool // in the whole of both runs, nothing differs but bytes
}

// A branch is one run at that point.
type branch struct {
	name   string
	run    *recording
	events []recorded   // events at that instant, beginning with the first that differs
	told   [][]toldPart // the writers of each event's bytes, if the run was in another process
	ended  bool         // the run has no more events
}

// difference returns the point at which the runs diverge, or nil if they do not.
func (r *recording) difference() *difference {
	first := r.other
	if r.at == len(r.digests) && r.at == len(first.digests) {
		return nil
	}
	d := &difference{
		first:     branch{name: "first", run: first, ended: r.at == len(first.digests)},
		second:    branch{name: "second", run: r, events: r.events, ended: r.at == len(r.digests)},
		sameShape: r.shape == first.shape && len(r.digests) == len(first.digests),
	}
	for i := r.at; i < len(first.events) && first.events[i].At == first.events[r.at].At && i < r.at+maxDiffering; i++ {
		d.first.events = first.events[r.at : i+1]
	}
	return d
}

func (d *difference) branches() []*branch { return []*branch{&d.first, &d.second} }

// event describes the branch's first differing event.
func (s *branch) event() string {
	switch {
	case s.ended:
		return "ended"
	case len(s.events) == 0:
		return fmt.Sprintf("not recorded, because it comes after %d others", maxRecorded)
	}
	return s.events[0].String()
}

// differing returns the first differing event of each run, if both runs have recorded
// one.
func (d *difference) differing() (first, second *recorded, ok bool) {
	if len(d.first.events) == 0 || len(d.second.events) == 0 {
		return nil, nil, false
	}
	return &d.first.events[0], &d.second.events[0], true
}

// bytesDiffer reports whether both events are data of one connection whose recorded
// bytes differ.
func (d *difference) bytesDiffer() bool {
	a, b, ok := d.differing()
	return ok && a.Conn == b.Conn && a.From == b.From && a.Offset == b.Offset && a.bytes != nil && b.bytes != nil &&
		(a.Hash != b.Hash || a.Length != b.Length)
}

// prefix returns the number of bytes that both events have in common.
func (d *difference) prefix() int {
	a, b := d.first.events[0].bytes, d.second.events[0].bytes
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// The number of differing bytes that are shown, and of bytes before them.
const (
	shownBytes  = 16
	shownBefore = 40
)

// writeBytes shows the first bytes that differ.
func (d *difference) writeBytes(text *strings.Builder) {
	n := d.prefix()
	a := d.first.events[0]
	fmt.Fprintf(text, "The bytes differ from byte %d on", a.Offset+int64(n))
	if before := a.bytes[max(0, n-shownBefore):n]; len(before) > 0 {
		fmt.Fprintf(text, ", after %q", before)
	}
	text.WriteString(":\n")
	for _, s := range d.branches() {
		fmt.Fprintf(text, "  %-15s %s\n", s.name+" run:", showBytes(s.events[0].bytes[n:]))
	}
}

// showBytes returns the first bytes, in hexadecimal and as text.
func showBytes(b []byte) string {
	if len(b) == 0 {
		return "(no more)"
	}
	more := ""
	if len(b) > shownBytes {
		b, more = b[:shownBytes], "..."
	}
	shown := []byte(nil)
	for _, c := range b {
		if c < ' ' || c > '~' {
			c = '.'
		}
		shown = append(shown, c)
	}
	return fmt.Sprintf("% x%s |%s|", b, more, shown)
}

// writeSenders says who wrote the first bytes that differ.
func (d *difference) writeSenders(text *strings.Builder) {
	a, b := d.first.sender(d), d.second.sender(d)
	they := "The bytes"
	if d.bytesDiffer() {
		they = "They"
	}
	switch {
	case a == "" && b == "":
	case a == b:
		fmt.Fprintf(text, "%s were written by %s.\n", they, a)
	default:
		fmt.Fprintf(text, "%s were written by\n", they)
		for i, who := range []string{a, b} {
			if who != "" {
				fmt.Fprintf(text, "  %-15s %s\n", d.branches()[i].name+" run:", who)
			}
		}
	}
}

// sender describes who wrote the first differing byte of the branch, or its last byte
// if none differs. It returns an empty string if the writer is not known.
func (s *branch) sender(d *difference) string {
	if len(s.events) == 0 {
		return ""
	}
	e := &s.events[0]
	at := 0
	if d.bytesDiffer() {
		at = max(0, min(d.prefix(), len(e.bytes)-1))
	}
	if len(s.told) > 0 {
		for _, part := range s.told[0] {
			if at -= part.N; at < 0 {
				return part.Who
			}
		}
		return ""
	}
	parts := e.by.within(e.Offset+int64(at), 1)
	if len(parts) == 0 {
		return ""
	}
	return s.run.senders.all[parts[0].sender].describe()
}
