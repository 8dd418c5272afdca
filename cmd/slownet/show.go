package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// A show is the output of the demonstration: text, and charts of the runs. If
// it is live, the chart of the current run is below the text and grows.
type show struct {
	stdout, stderr io.Writer
	size           func() (width, height int) // of the terminal, in characters
	live           bool                       // redraw the chart with every arrival
	expected       time.Duration              // estimated duration of the longest run

	charts  []*chart
	running bool  // the last chart's run is in progress
	drawn   []int // lengths of the chart's lines on the screen
}

// newShow returns a show on stdout, live if requested and if stdout is a
// terminal that supports it.
func newShow(stdout, stderr io.Writer, live bool) *show {
	terminal, ok := cli.TerminalOf(stdout)
	s := &show{stdout: stdout, stderr: stderr, live: live && ok && os.Getenv("TERM") != "dumb"}
	if ok {
		s.size = func() (int, int) { return sizeOf(terminal) }
		return s
	}
	terminal, _ = cli.TerminalOf(stderr)
	s.size = func() (int, int) { return sizeWithoutTerminal(terminal) }
	return s
}

// maxWidth is the maximum width of a chart.
const maxWidth = 1000

// sizeOf returns the size of the terminal. If the terminal does not report a
// width, the width is COLUMNS, or else 80.
func sizeOf(terminal *os.File) (width, height int) {
	width, height = cli.TerminalSize(terminal)
	return min(cmp.Or(width, columns(), 80), maxWidth), cmp.Or(height, 24)
}

// sizeWithoutTerminal returns the size to use if the output is not a terminal.
// The width is COLUMNS, or else the width of stderr's terminal, where a pager may
// show the output, or else 80.
func sizeWithoutTerminal(stderr *os.File) (width, height int) {
	if stderr != nil {
		width, height = cli.TerminalSize(stderr)
	}
	return min(cmp.Or(columns(), width, 80), maxWidth), cmp.Or(height, 24)
}

// columns returns the value of COLUMNS, or 0 if it is not a positive number.
func columns() int {
	columns, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil {
		return 0
	}
	return max(columns, 0)
}

// Write prints p, which must be whole lines, above the chart.
func (s *show) Write(p []byte) (int, error) { return s.above(s.stdout, p) }

// errors returns a writer for stderr that also prints above the chart.
func (s *show) errors() io.Writer {
	return writerFunc(func(p []byte) (int, error) { return s.above(s.stderr, p) })
}

type writerFunc func(p []byte) (int, error)

// Write calls the function.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (s *show) above(w io.Writer, p []byte) (int, error) {
	if !s.live {
		return w.Write(p)
	}
	erased := s.erase()
	if w == s.stdout {
		n, err := io.WriteString(w, erased+string(p)+s.draw())
		return max(min(n-len(erased), len(p)), 0), err
	}
	fmt.Fprint(s.stdout, erased)
	n, err := w.Write(p)
	fmt.Fprint(s.stdout, s.draw())
	return n, err
}

// begin starts the chart of a run.
func (s *show) begin(title string, tasks int) {
	c := &chart{title: title, span: s.expected}
	for task := range tasks {
		c.rows = append(c.rows, row{label: fmt.Sprintf("Task %d", task+1)})
	}
	s.charts = append(s.charts, c)
	s.running = true
}

// arrived adds the arrival of a piece to the chart.
func (s *show) arrived(task int, at time.Duration) {
	c := s.charts[len(s.charts)-1]
	c.rows[task-1].arrivals = append(c.rows[task-1].arrivals, at)
	c.span = max(c.span, at)
	if s.live {
		fmt.Fprint(s.stdout, s.erase(), s.draw())
	}
}

// end completes the chart of a run.
func (s *show) end(elapsed time.Duration) {
	if s.live {
		fmt.Fprint(s.stdout, s.erase())
	}
	s.running = false
	c := s.charts[len(s.charts)-1]
	c.title += ", " + cli.FormatElapsed(elapsed)
	c.span = elapsed
}

// printAll prints all charts on one scale.
func (s *show) printAll() {
	var span time.Duration
	for _, c := range s.charts {
		span = max(span, c.span)
	}
	width, _ := s.size()
	for _, c := range s.charts {
		c.span = span
		fmt.Fprintln(s, strings.Join(c.lines(width), "\n")+"\n")
	}
}

// erase returns the escape sequence that removes the chart and moves the cursor
// to where the chart began. It counts lines that wrapped when the terminal
// became narrower.
func (s *show) erase() string {
	width, _ := s.size()
	rows := 0
	for _, length := range s.drawn {
		rows += max(1, (length+width-1)/width)
	}
	if s.drawn = nil; rows == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", rows)
}

// draw returns the chart of the current run, or nothing if no run is in
// progress or the chart does not fit.
func (s *show) draw() string {
	width, height := s.size()
	if !s.running || width < minLiveWidth || height < len(servers)+4 {
		return ""
	}
	lines := s.charts[len(s.charts)-1].lines(width - 1)
	for _, line := range lines {
		s.drawn = append(s.drawn, utf8.RuneCountInString(line))
	}
	return strings.Join(lines, "\n") + "\n"
}

// minLiveWidth is the minimum width of a terminal for a live chart.
const minLiveWidth = 24
