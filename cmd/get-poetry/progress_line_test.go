package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/clients"
)

// A task's state says what the task is waiting for at each step.
func TestTaskStates(t *testing.T) {
	start := time.Unix(1000, 0)
	task := &task{number: 1}
	state := func(after time.Duration, scarce bool) string { return task.state(start.Add(after), scarce) }
	assert.Equal(t, "waits for its turn", state(0, false))
	task.observe(clients.TaskEvent{Kind: clients.Started}, start)
	assert.Equal(t, "waits for connection", state(999*time.Millisecond, false))
	assert.Equal(t, "waits for connection 2s", state(2900*time.Millisecond, false))
	assert.Equal(t, "waits for descriptors 2s", state(2*time.Second, true))
	task.observe(clients.TaskEvent{Kind: clients.Connected}, start.Add(3*time.Second))
	assert.Equal(t, "waits for first byte 1m0s", state(63*time.Second, true))
	task.observe(clients.TaskEvent{Kind: clients.Piece, Bytes: 3}, start.Add(63*time.Second))
	task.observe(clients.TaskEvent{Kind: clients.Piece, Bytes: 4}, start.Add(64*time.Second))
	assert.Equal(t, 7, task.bytes)
	assert.Empty(t, state(64900*time.Millisecond, false))
	assert.Equal(t, "waits for more 5s", state(69*time.Second, false))
	assert.False(t, task.over())

	broken := *task
	broken.observe(clients.TaskEvent{Kind: clients.Failed, Err: errors.New("two\nlines\x1b[2J")}, start)
	assert.Equal(t, `failed: two lines\x1b[2J`, broken.state(start, false))
	assert.True(t, broken.over())
	task.observe(clients.TaskEvent{Kind: clients.Arrived, Elapsed: 70123456 * time.Microsecond}, start)
	assert.Equal(t, "done in 1m10.123s", state(0, false))
	assert.True(t, task.over())
}

// No line is wider than its terminal: columns are dropped, the most important one last.
func TestLineFits(t *testing.T) {
	now := time.Unix(1000, 0)
	tasks := []*task{
		{number: 1},
		{number: 10000, phase: connecting, since: now.Add(-time.Hour)},
		{number: 22, phase: connected, bytes: 123456789, since: now.Add(-time.Minute)},
		{number: 3, phase: failed, err: errors.New(strings.Repeat("詩 is wide, ", 20))},
		{number: 4, phase: arrived, bytes: 653, elapsed: time.Second},
	}
	for width := 1; width < 200; width++ {
		for _, task := range tasks {
			l := layout{width: width, label: 10, scale: scaleOf(123456789), colour: true}
			line := withoutColour(l.line(task, now, false))
			assert.LessOrEqual(t, runewidth.StringWidth(line), width, "%q", line)
			assert.Equal(t, width >= 50, strings.Contains(line, "B/s"), "%d: %q", width, line)
			if width >= 40 {
				assert.Regexp(t, `[█░]{5} +\d+ M?B`, line, "%d: bar and bytes", width)
			}
		}
	}
	l := layout{width: 40, label: 6, scale: 1000}
	assert.Equal(t, "Task 1 ░░░░░      0 B  for its turn", l.line(tasks[0], now, false))
	assert.Equal(t, "Task 4 ████░    653 B  done in 1s", l.line(tasks[4], now, false))
	l.final = true
	assert.Equal(t, "Task 1 ░░░░░      0 B  not begun", l.line(tasks[0], now, false))
	l.width = 20
	assert.Equal(t, "Task 1 0 B  not beg…", l.line(tasks[0], now, false))
	assert.Equal(t, "Task 4 653 B  done", l.line(tasks[4], now, false))
	l.width, l.final = 80, false
	assert.Equal(t, "Task 4 █████████████████░░░░░░░░░    653 B    653 B/s  done in 1s", l.line(tasks[4], now, false))
	l.colour = true
	assert.Contains(t, l.line(tasks[4], now, false), "\x1b[32mdone in 1s\x1b[0m")
	assert.Contains(t, l.line(tasks[3], now, false), "\x1b[31mfailed: ")
}

func TestScale(t *testing.T) {
	for longest, want := range map[int]int{0: 1000, 1000: 1000, 1001: 2000, 3003: 4000, 16 << 20: 32_768_000} {
		assert.Equal(t, want, scaleOf(longest))
	}
}

// A steady rate is shown after half a second; when the server stalls, it falls to zero.
func TestMeter(t *testing.T) {
	start := time.Unix(1000, 0)
	m := meter{start: start, at: start}
	for tenth := 1; tenth <= 300; tenth++ {
		now := start.Add(time.Duration(tenth) * 100 * time.Millisecond)
		m.add(10, now)
		if tenth >= 5 {
			assert.InDelta(t, 100, m.rate(now), 5, "after %d tenths", tenth)
		}
	}
	end := start.Add(30 * time.Second)
	assert.InDelta(t, 37, m.rate(end.Add(3*time.Second)), 2)
	assert.Less(t, m.rate(end.Add(30*time.Second)), 0.1)
	assert.Zero(t, new(meter).rate(start))
}

func TestFormatBytes(t *testing.T) {
	for bytes, want := range map[float64]string{
		0: "0 B", 0.4: "0 B", 653: "653 B", 9999: "9999 B", 9999.6: "10.0 kB", 99949: "99.9 kB", 99950: "100 kB",
		999499: "999 kB", 999500: "1.0 MB", 16 << 20: "16.8 MB", 123456789: "123 MB", 1e18: "1000 PB",
	} {
		assert.Equal(t, want, formatBytes(bytes), "%v", bytes)
		assert.LessOrEqual(t, len(want), bytesWidth)
	}
}
