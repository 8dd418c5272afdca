package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// A chart shows when bytes arrived: one row per task, time from left to right,
// and a filled cell wherever bytes arrived.
type chart struct {
	title string
	span  time.Duration // time that the width covers
	rows  []row
}

// A row is one task.
type row struct {
	label    string
	arrivals []time.Duration // times of its pieces, since the start of the run
}

// minCells is the minimum width of the rows, however narrow the terminal.
const minCells = 10

// lines draws the chart, at most width columns wide but at least minCells. It
// cuts off what does not fit.
func (c *chart) lines(width int) []string {
	labels := 0
	for _, row := range c.rows {
		labels = max(labels, utf8.RuneCountInString(row.label))
	}
	cells := max(width-labels-3, minCells) // a blank, and the bars at both ends
	lines := []string{cut(c.title, width)}
	for _, row := range c.rows {
		lines = append(lines, fmt.Sprintf("%-*s |%s|", labels, row.label, c.bar(row, cells)))
	}
	return append(lines, strings.Repeat(" ", labels+2)+c.axis(cells))
}

// cut returns the first columns of a line.
func cut(line string, columns int) string {
	runes := []rune(line)
	return string(runes[:min(len(runes), max(columns, 0))])
}

// bar draws a row.
func (c *chart) bar(row row, cells int) string {
	filled := make([]bool, cells)
	for _, at := range row.arrivals {
		filled[c.cell(at, cells)] = true
	}
	var bar strings.Builder
	for _, full := range filled {
		if full {
			bar.WriteRune('█')
		} else {
			bar.WriteRune(' ')
		}
	}
	return bar.String()
}

// cell returns the cell for a time.
func (c *chart) cell(at time.Duration, cells int) int {
	if c.span <= 0 {
		return 0
	}
	return min(int(float64(at)/float64(c.span)*float64(cells)), cells-1)
}

// axis draws the time axis: a mark at every round step, as many as fit.
func (c *chart) axis(cells int) string {
	step := c.step(cells)
	axis := []byte(strings.Repeat(" ", cells))
	for at := time.Duration(0); at < c.span; at += step {
		mark := fmt.Sprintf("%gs", at.Seconds())
		if from := c.cell(at, cells); from+len(mark) <= cells {
			copy(axis[from:], mark)
		}
	}
	return strings.TrimRight(string(axis), " ")
}

// step returns the time between two marks.
func (c *chart) step(cells int) time.Duration {
	const room = 8 // columns for a mark and some space
	for unit := time.Millisecond; ; unit *= 10 {
		for _, factor := range []time.Duration{1, 2, 5} {
			if step := factor * unit; float64(step)/float64(max(c.span, 1))*float64(cells) >= room {
				return step
			}
		}
	}
}
