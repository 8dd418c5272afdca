package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// A phase is the state of a task.
type phase int

const (
	waiting    phase = iota // for its turn
	connecting              // to its server
	connected               // the poem is arriving
	arrived
	failed
)

// A task is the progress of one poem.
type task struct {
	number  int
	phase   phase
	bytes   int
	meter   meter
	since   time.Time     // time of the last event
	elapsed time.Duration // arrived: total time
	err     error         // failed: the reason
}

// observe updates the task for an event.
func (t *task) observe(e clients.TaskEvent, now time.Time) {
	t.since = now
	switch e.Kind {
	case clients.Started:
		t.phase = connecting
	case clients.Connected:
		t.phase, t.meter.start, t.meter.at = connected, now, now
	case clients.Piece:
		t.bytes += e.Bytes
		t.meter.add(e.Bytes, now)
	case clients.Arrived:
		t.phase, t.elapsed = arrived, e.Elapsed
	case clients.Failed:
		t.phase, t.err = failed, e.Err
	}
}

// over reports whether the task has arrived or failed.
func (t *task) over() bool { return t.phase == arrived || t.phase == failed }

// rate returns the bytes per second: the recent rate, or the mean of a finished task.
func (t *task) rate(now time.Time) float64 {
	switch {
	case t.phase == connected:
		return t.meter.rate(now)
	case t.phase == arrived && t.elapsed > 0:
		return float64(t.bytes) / t.elapsed.Seconds()
	}
	return 0
}

// silent is the time without bytes after which a task is shown as waiting.
const silent = time.Second

// state describes what a task waits for, or how it has ended. scarce means that the
// process has run out of file descriptors.
func (t *task) state(now time.Time, scarce bool) string {
	wait := func(what string) string {
		if d := now.Sub(t.since); d >= silent {
			return fmt.Sprintf("waits for %s %v", what, d.Truncate(time.Second))
		}
		return "waits for " + what
	}
	switch {
	case t.phase == arrived:
		return fmt.Sprintf("done in %v", t.elapsed.Round(time.Millisecond))
	case t.phase == failed:
		return "failed: " + strings.Join(strings.Fields(cli.Visible(t.err.Error())), " ")
	case t.phase == waiting:
		return "waits for its turn"
	case t.phase == connecting && scarce:
		return wait("descriptors")
	case t.phase == connecting:
		return wait("connection")
	case t.bytes == 0:
		return wait("first byte")
	case now.Sub(t.since) >= silent:
		return wait("more")
	}
	return ""
}

// A layout has the widths of a line, which depend on the terminal.
type layout struct {
	width  int  // of the terminal, in characters
	label  int  // width of the longest label
	scale  int  // bytes that fill a bar
	colour bool // may be used
	final  bool // all tasks have ended, and the lines stay
}

// Widths of the columns, and the line widths below which columns are left out.
const (
	bytesWidth   = 8
	rateWidth    = 10
	maxBar       = 30
	minBar       = 5
	stateWidth   = 26 // enough for most states
	minRateWidth = 50 // narrower lines have no rate
	minColumns   = 24 // narrower lines have no columns
)

// line returns the line of a task, no wider than the terminal: label, bar,
// bytes, rate and state. A narrow terminal has no rate, a narrower one no bar.
func (l layout) line(t *task, now time.Time, scarce bool) string {
	label := fmt.Sprintf("%-*s", l.label, labelOf(t.number))
	bytes := bytesWidth
	if l.width < minColumns {
		bytes = 0
	}
	figures := fmt.Sprintf(" %*s", bytes, formatBytes(float64(t.bytes)))
	if l.width >= minRateWidth {
		figures += fmt.Sprintf(" %*s", rateWidth, formatBytes(t.rate(now))+"/s")
	}
	left := l.width - runewidth.StringWidth(label) - runewidth.StringWidth(figures) - len("  ")
	bar := ""
	if cells := min(left-stateWidth, maxBar); cells >= minBar {
		bar = l.bar(t, cells)
		left -= cells + 1
	} else if left-minBar-1 >= stateWidth-len("waits descriptors") {
		bar = l.bar(t, minBar)
		left -= minBar + 1
	}
	state := t.state(now, scarce)
	if l.final && t.phase == waiting {
		state = "not begun"
	}
	if runewidth.StringWidth(state) > left {
		state = strings.TrimPrefix(state, "waits ")
		if t.phase == arrived {
			state = "done"
		}
	}
	if left <= 0 {
		return runewidth.Truncate(strings.TrimRight(label+figures, " "), max(l.width, 0), "…")
	}
	if state != "" {
		state = "  " + l.paint(t, runewidth.Truncate(state, left, "…"))
	}
	if bar != "" {
		bar = " " + l.paint(t, bar)
	}
	return label + bar + figures + state
}

// labelOf returns the name of a task.
func labelOf(number int) string { return fmt.Sprintf("Task %d", number) }

// bar returns the bar of a task: its bytes on the common scale.
func (l layout) bar(t *task, cells int) string {
	full := min((t.bytes*cells+l.scale-1)/l.scale, cells)
	return strings.Repeat("█", full) + strings.Repeat("░", cells-full)
}

// paint colours a text by the phase of its task.
func (l layout) paint(t *task, text string) string {
	const green, red = "32", "31"
	switch {
	case !l.colour || text == "":
		return text
	case t.phase == arrived:
		return "\x1b[" + green + "m" + text + "\x1b[0m"
	case t.phase == failed:
		return "\x1b[" + red + "m" + text + "\x1b[0m"
	}
	return text
}

// scaleOf returns the scale for the longest poem so far, which doubles when a
// poem exceeds it. The length of a poem is unknown before its end.
func scaleOf(longest int) int {
	scale := 1000
	for scale < longest {
		scale *= 2
	}
	return scale
}
