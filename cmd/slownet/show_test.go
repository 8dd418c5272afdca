package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A screen interprets the output of a show as a terminal would: it wraps long
// lines and obeys the two sequences that erase uses.
type screen struct {
	width int
	rows  []string // the cursor is at the start of the row after the last
	wrong string   // the input that the screen did not understand
}

func (s *screen) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		var up int
		if _, err := fmt.Sscanf(text, "\x1b[%dA\r\x1b[J", &up); err == nil {
			s.rows = s.rows[:max(0, len(s.rows)-up)]
			text = text[strings.Index(text, "J")+1:]
			continue
		}
		line, rest, complete := strings.Cut(text, "\n")
		if !complete || strings.ContainsAny(line, "\x1b\r") {
			s.wrong = text
			break
		}
		for runes := []rune(line); ; runes = runes[s.width:] {
			if len(runes) <= s.width {
				s.rows = append(s.rows, string(runes))
				break
			}
			s.rows = append(s.rows, string(runes[:s.width]))
		}
		text = rest
	}
	return len(p), nil
}

// resize wraps the text on the screen again.
func (s *screen) resize(width int) {
	rows := s.rows
	s.width, s.rows = width, nil
	for _, row := range rows {
		_, _ = s.Write([]byte(row + "\n"))
	}
}

// No remains of a chart are left on a terminal, whatever its width, even if it is resized.
func TestLiveShow(t *testing.T) {
	for _, width := range []int{8, 23, 24, 27, 50, 80, 200} {
		for _, narrower := range []int{0, 3, 40} {
			out := &screen{width: width}
			s := &show{stdout: out, stderr: out, live: true, expected: 23 * time.Second,
				size: func() (int, int) { return out.width, 24 }}
			var want []string
			s.begin("Blocking: one after another", 3)
			for i := range 100 {
				line := fmt.Sprintf("%03d", i)
				want = append(want, line)
				fmt.Fprintln(s, line)
				s.arrived(i%3+1, time.Duration(i)*230*time.Millisecond)
				if i%10 == 5 {
					fmt.Fprintln(s.errors(), "!")
					want = append(want, "!")
				}
				if i == 50 {
					out.resize(max(width-narrower, 4))
				}
			}
			if out.width >= minLiveWidth {
				assert.Len(t, out.rows, len(want)+5)
				assert.Contains(t, out.rows[len(out.rows)-2], "Task 3 |")
			}
			s.end(23 * time.Second)
			assert.Equal(t, want, out.rows, "%d, then %d less", width, narrower)
			assert.Empty(t, out.wrong)
		}
	}
}

func TestSizeWithoutATerminal(t *testing.T) {
	for columns, want := range map[string]int{"": 80, "0": 80, "-5": 80, "x": 80, "120": 120, "100000000": maxWidth} {
		t.Setenv("COLUMNS", columns)
		width, height := sizeWithoutTerminal(nil)
		assert.Equal(t, want, width, columns)
		assert.Equal(t, 24, height)
	}
}
