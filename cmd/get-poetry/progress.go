package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/plural"
)

// bars show the progress of the tasks on a terminal: a bar for each, while there is
// room, and a sum. If there are more tasks than lines, finished tasks scroll away
// and others take their place. A nil bars shows nothing.
type bars struct {
	screen    *screen
	label     int // width of the longest label
	colour    bool
	container *mpb.Progress
	sum       *mpb.Bar
	scrolls   bool // there are more tasks than lines

	mu     sync.Mutex // guards the fields below; not held while the container is called
	tasks  []task
	next   int  // index of the first task that never had a bar
	scarce bool // the process has run out of file descriptors
	ended  bool // all tasks have ended

	lines []*mpb.Bar // by task's index, nil for none; used by the observer's goroutine only
}

// newBars returns the bars, or nil if they are not requested or progress does not go
// to a terminal that can draw them.
func newBars(o *options, progress io.Writer) *bars {
	terminal, ok := cli.TerminalOf(progress)
	if !o.progress || !ok || !cli.EnableANSI(terminal) {
		return nil
	}
	b := &bars{
		screen: &screen{terminal: terminal},
		label:  len(labelOf(len(o.addresses))),
		colour: os.Getenv("NO_COLOR") == "",
		tasks:  make([]task, len(o.addresses)),
		lines:  make([]*mpb.Bar, len(o.addresses)),
	}
	for i := range b.tasks {
		b.tasks[i].number = i + 1
	}
	return b
}

// over returns a writer that writes above the bars if w is a terminal, and otherwise
// w.
func (b *bars) over(w io.Writer) io.Writer {
	if _, ok := cli.TerminalOf(w); b == nil || !ok {
		return w
	}
	return b.screen
}

// begin shows the bars.
func (b *bars) begin() {
	if b == nil {
		return
	}
	_, height := b.screen.size()
	b.screen.begin()
	room := max(height-1, 1) // besides the sum
	b.scrolls = len(b.tasks) > room
	options := []mpb.ContainerOption{mpb.WithConsoleWriter(b.screen)}
	if b.scrolls {
		options = append(options, mpb.PopCompletedMode())
	}
	b.container = mpb.New(options...)
	if len(b.tasks) > 1 {
		b.sum = b.add(math.MaxInt, b.sumLine, mpb.BarNoPop())
	}
	for range min(len(b.tasks), room) {
		b.addNext()
	}
}

// add adds a line to the container.
func (b *bars) add(priority int, line func(layout) string, options ...mpb.BarOption) *mpb.Bar {
	fill := func(w io.Writer, s decor.Statistics) error {
		_, err := io.WriteString(w, line(b.layout(s.AvailableWidth)))
		return err
	}
	bar, _ := b.container.Add(0, mpb.BarFillerFunc(fill), append(options, mpb.BarFillerTrim(), mpb.BarPriority(priority))...)
	return bar
}

// addNext adds a bar for the first task that has not ended and never had one.
func (b *bars) addNext() {
	b.mu.Lock()
	for b.next < len(b.tasks) && b.tasks[b.next].over() {
		b.next++
	}
	i := b.next
	b.next++
	b.mu.Unlock()
	if i < len(b.tasks) {
		b.lines[i] = b.add(i, func(l layout) string {
			b.mu.Lock()
			defer b.mu.Unlock()
			return l.line(&b.tasks[i], time.Now(), b.scarce)
		})
	}
}

// layout returns the layout for a width.
func (b *bars) layout(width int) layout {
	b.mu.Lock()
	defer b.mu.Unlock()
	longest := 0
	for i := range b.tasks {
		longest = max(longest, b.tasks[i].bytes)
	}
	return layout{width: width, label: b.label, scale: scaleOf(longest), colour: b.colour, final: b.ended}
}

// sumLine returns the line below the bars.
func (b *bars) sumLine(l layout) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	done, broken, bytes, rate := 0, 0, 0, 0.0
	now := time.Now()
	for i := range b.tasks {
		t := &b.tasks[i]
		bytes += t.bytes
		switch t.phase {
		case arrived:
			done++
		case failed:
			broken++
		case connected:
			rate += t.rate(now)
		}
	}
	parts := []string{fmt.Sprintf("%d of %s", done, plural.Of(len(b.tasks), "poem"))}
	if broken > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", broken))
	}
	parts = append(parts, formatBytes(float64(bytes)), formatBytes(rate)+"/s", "a full bar is "+formatBytes(float64(l.scale)))
	return runewidth.Truncate(strings.Join(parts, ", "), l.width, "…")
}

// after returns an observer that calls another one, and then updates the bars.
func (b *bars) after(observer func(clients.TaskEvent)) func(clients.TaskEvent) {
	if b == nil {
		return observer
	}
	return func(e clients.TaskEvent) {
		observer(e)
		b.observe(e)
	}
}

// observe updates the bars for an event.
func (b *bars) observe(e clients.TaskEvent) {
	now := time.Now()
	b.mu.Lock()
	switch e.Kind {
	case clients.Waiting:
		b.scarce = true
		b.mu.Unlock()
		return
	case clients.Connected:
		b.scarce = false
	}
	i := e.Task - 1
	t := &b.tasks[i]
	t.observe(e, now)
	over, copied := t.over(), *t
	b.mu.Unlock()
	if !over || !b.scrolls {
		return
	}
	if bar := b.lines[i]; bar != nil {
		bar.Abort(false)
		b.addNext()
	} else {
		width, _ := b.screen.size()
		fmt.Fprintln(b.screen, b.layout(width).line(&copied, now, false))
	}
}

// end draws the bars for the last time, and leaves them on the screen.
func (b *bars) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	if b.sum != nil {
		b.sum.Abort(true)
	}
	for _, bar := range b.lines {
		if bar != nil {
			bar.Abort(false)
		}
	}
	b.container.Wait()
	_ = b.screen.end()
}
