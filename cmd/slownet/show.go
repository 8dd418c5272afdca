package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/slowpoetry/slowpoetry/clients"
)

// A show is what the demonstration prints: what is written to it, and charts of
// the runs. Where it is live the chart of the present run stands below the rest
// and grows.
type show struct {
	stdout, stderr io.Writer
	width          int           // of the terminal, in columns
	live           bool          // redraw the chart with everything that arrives
	expected       time.Duration // how long the longest run is thought to take

	charts  []*chart
	running bool // the last chart's run goes on
	drawn   int  // lines of the chart that stand below the rest
}

// newShow returns a show on stdout, live if that is wished and stdout is a
// terminal with room for it.
func newShow(stdout, stderr io.Writer, live bool) *show {
	s := &show{stdout: stdout, stderr: stderr, width: 80}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		s.width = columns
	}
	if file, ok := stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			s.width = width
			s.live = live && height > len(servers)+3
		}
	}
	return s
}

// Write prints p, whole lines, above the chart.
func (s *show) Write(p []byte) (int, error) { return s.above(s.stdout, p) }

// errors returns what prints on stderr, above the chart as well.
func (s *show) errors() io.Writer {
	return writerFunc(func(p []byte) (int, error) { return s.above(s.stderr, p) })
}

func (s *show) above(w io.Writer, p []byte) (int, error) {
	if !s.live {
		return w.Write(p)
	}
	fmt.Fprint(s.stdout, s.erase())
	n, err := w.Write(p)
	fmt.Fprint(s.stdout, s.draw())
	return n, err
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// begin starts the chart of a run.
func (s *show) begin(title string, tasks int) {
	c := &chart{title: title, span: s.expected}
	for task := range tasks {
		c.rows = append(c.rows, row{label: fmt.Sprintf("Task %d", task+1)})
	}
	s.charts = append(s.charts, c)
	s.running = true
}

// arrived notes that a piece has arrived.
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
	c.title += ", " + clients.FormatElapsed(elapsed)
	c.span = elapsed
}

// finale prints all charts, on one scale.
func (s *show) finale() {
	var span time.Duration
	for _, c := range s.charts {
		span = max(span, c.span)
	}
	for _, c := range s.charts {
		c.span = span
		fmt.Fprintln(s.stdout, strings.Join(c.lines(s.width), "\n")+"\n")
	}
}

// erase takes the chart away, and leaves the cursor where it stood.
func (s *show) erase() string {
	if s.drawn == 0 {
		return ""
	}
	up := s.drawn
	s.drawn = 0
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", up)
}

// draw prints the chart of the run that goes on, if one does.
func (s *show) draw() string {
	if !s.running {
		return ""
	}
	lines := s.charts[len(s.charts)-1].lines(s.width - 1)
	s.drawn = len(lines)
	return strings.Join(lines, "\n") + "\n"
}
