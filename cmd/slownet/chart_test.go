package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func seconds(s ...float64) (d []time.Duration) {
	for _, s := range s {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

func TestChart(t *testing.T) {
	c := chart{title: "Title", span: 10 * time.Second, rows: []row{
		{"Task 1", seconds(0, 0.5, 1, 9.999)},
		{"Task 2", nil},
		{"Task 10", seconds(5, 10, 11)}, // bytes after the span are shown at its end
	}}
	assert.Equal(t, strings.TrimPrefix(`
Title
Task 1  |███                █|
Task 2  |                    |
Task 10 |          █        █|
         0s        5s`, "\n"), strings.Join(c.lines(30), "\n"))
}

// The chart fits into any width above a minimum.
func TestChartWidth(t *testing.T) {
	c := chart{title: "T", span: 23 * time.Second, rows: []row{{"Task 1", seconds(0, 1, 2, 23)}}}
	for width := range 400 {
		for _, line := range c.lines(width) {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), max(width, len("Task 1 ||")+minCells))
		}
	}
}

func TestChartSteps(t *testing.T) {
	for span, want := range map[time.Duration]string{
		23 * time.Second:      "0s             5s             10s            15s            20s",
		10 * time.Millisecond: "0s            0.002s        0.004s        0.006s        0.008s",
		33 * time.Hour:        "0s         20000s      40000s      60000s      80000s     100000s",
		0:                     "",
		time.Nanosecond:       "0s",
	} {
		c := chart{span: span}
		assert.Equal(t, want, c.axis(70), "%v", span)
	}
}

func TestExpected(t *testing.T) {
	assert.Equal(t, 23*time.Second, expected())
}
