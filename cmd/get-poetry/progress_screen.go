package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/mattn/go-runewidth"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// A screen draws lines at the bottom of a terminal, repeatedly, and writes all
// other output above them. The bars are drawn on it. Each frame is one write
// that ends with the cursor below it, so the lines stay whole however the
// process ends.
type screen struct {
	terminal *os.File

	mu     sync.Mutex   // guards the fields below, and writes to the terminal
	live   bool         // lines are drawn; otherwise all output is written at once
	above  bytes.Buffer // text to write above the lines
	frame  bytes.Buffer // the lines to draw next
	widths []int        // of the lines on the terminal
}

// begin starts drawing.
func (s *screen) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = true
}

// end leaves the lines where they are. Later text is written below them.
func (s *screen) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = false
	_, err := s.above.WriteTo(s.terminal)
	return err
}

// Write writes above the drawn lines. The text appears with the next frame; an
// incomplete last line stays in the buffer until its end is written.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return s.terminal.Write(p)
	}
	return s.above.Write(p)
}

// ReadFrom adds a line to the next frame.
func (s *screen) ReadFrom(r io.Reader) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frame.ReadFrom(r)
}

// IsTerminal is always true.
func (s *screen) IsTerminal() bool { return true }

// The size of a terminal that does not report its own.
const defaultWidth, defaultHeight = 80, 24

// size returns the space for lines; one line is reserved for the cursor.
func (s *screen) size() (width, height int) {
	width, height = cli.TerminalSize(s.terminal)
	if width == 0 {
		width = defaultWidth
	}
	if height == 0 {
		height = defaultHeight
	}
	return width, max(height-1, 1)
}

// GetTermSize returns the width of the terminal, and an unlimited height: Flush
// omits lines that do not fit.
func (s *screen) GetTermSize() (width, height int, err error) {
	width, _ = s.size()
	return width, math.MaxInt32, nil
}

// Flush draws the frame in place of the previous one. The next Flush replaces only the
// given number of lines at the end of this frame, or fewer if not all of them fit on the
// terminal. The lines before them stay.
func (s *screen) Flush(lines int) error {
	width, height := s.size() // the current size: it may have changed since the start of the frame
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	out.WriteByte('\r') // the user may have typed something
	if up := s.heightLocked(width); up > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", up)
	}
	above := slices.Collect(strings.Lines(string(s.above.Next(bytes.LastIndexByte(s.above.Bytes(), '\n') + 1))))
	frame := slices.Collect(strings.Lines(s.frame.String()))
	s.frame.Reset()
	lines = min(max(lines, 0), len(frame))
	stay, again := frame[:len(frame)-lines], frame[len(frame)-lines:]
	again = again[max(len(again)-height, 0):]
	s.widths = s.widths[:0]
	for _, line := range again {
		s.widths = append(s.widths, runewidth.StringWidth(withoutColour(strings.TrimSuffix(line, "\n"))))
	}
	// Lines are erased one by one: tmux keeps a copy of a screen that is erased as a
	// whole.
	for _, line := range slices.Concat(above, stay, again) {
		out.WriteString("\x1b[K" + line)
	}
	out.WriteString("\x1b[J")
	_, err := io.WriteString(s.terminal, out.String())
	return err
}

// heightLocked returns the number of terminal lines that the drawn lines
// occupy. It assumes that a terminal that becomes narrower wraps lines, as most
// do.
func (s *screen) heightLocked(width int) (height int) {
	for _, w := range s.widths {
		height += max((w+width-1)/width, 1)
	}
	return height
}

// withoutColour removes the escape sequences that paint inserts.
func withoutColour(line string) string {
	for {
		before, sequence, found := strings.Cut(line, "\x1b[")
		if !found {
			return line
		}
		_, after, _ := strings.Cut(sequence, "m")
		line = before + after
	}
}
