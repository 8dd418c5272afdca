package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/slowpoetry/slowpoetry/clients"
)

// A show is what the demonstration prints: what is written to it, and charts of
// the runs. Where it is live the chart of the present run stands below the rest
// and grows.
type show struct {
	stdout, stderr io.Writer
	size           func() (width, height int) // of the terminal, in characters
	live           bool                       // redraw the chart with everything that arrives
	expected       time.Duration              // how long the longest run is thought to take

	charts  []*chart
	running bool  // the last chart's run goes on
	drawn   []int // how long the lines of the chart are that stand below the rest
}

// newShow returns a show on stdout, live if that is wished and stdout is a
// terminal that can do it.
func newShow(stdout, stderr io.Writer, live bool) *show {
	s := &show{stdout: stdout, stderr: stderr, size: assumedSize}
	if file, ok := stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		s.size = func() (int, int) {
			width, height, err := term.GetSize(int(file.Fd()))
			if err != nil || width <= 0 || height <= 0 {
				return assumedSize()
			}
			return width, height
		}
		s.live = live && os.Getenv("TERM") != "dumb"
	}
	return s
}

// maxWidth is how wide a chart is at the most.
const maxWidth = 1000

// assumedSize is the size where there is no terminal: COLUMNS wide, or 80.
func assumedSize() (width, height int) {
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return min(columns, maxWidth), 24
	}
	return 80, 24
}

// Write prints p, whole lines, above the chart.
func (s *show) Write(p []byte) (int, error) { return s.above(s.stdout, p) }

// errors returns what prints on stderr, above the chart as well.
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
	width, _ := s.size()
	for _, c := range s.charts {
		c.span = span
		fmt.Fprintln(s, strings.Join(c.lines(width), "\n")+"\n")
	}
}

// erase takes the chart away, and leaves the cursor where it stood. A terminal
// that has become narrower since has broken its lines.
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

// draw prints the chart of the run that goes on, if one does and there is room.
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

// minLiveWidth is how wide a terminal must be for a chart to grow in it.
const minLiveWidth = 24
