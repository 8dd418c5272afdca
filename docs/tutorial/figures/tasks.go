package main

import (
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/docs/tutorial"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A task is one download, as the trace of a run tells it.
type task struct {
	number int           // from 1
	begin  time.Duration // when its connection was made
	pieces []time.Duration
	bytes  int
	end    time.Duration // when the end of the poem arrived
}

// tasksOf reads the tasks of a run: the connections of the reader, in their order.
func tasksOf(events []trace.Event) (tasks []task) {
	numbers := make(map[trace.Conn]int) // from 1
	for _, e := range events {
		if e.Conn.Host != tutorial.Reader {
			continue
		}
		if numbers[e.Conn] == 0 {
			tasks = append(tasks, task{number: len(tasks) + 1, begin: e.At})
			numbers[e.Conn] = len(tasks)
		}
		t := &tasks[numbers[e.Conn]-1]
		switch {
		case e.To != tutorial.Reader:
		case e.Kind == trace.Data:
			t.pieces = append(t.pieces, e.At)
			t.bytes += e.Length
		case e.Kind == trace.Close:
			t.end = e.At
		}
	}
	return tasks
}

// turns returns how often something arrived, everything of one instant counted once.
func turns(tasks []task) int {
	var instants []time.Duration
	for _, t := range tasks {
		instants = append(append(instants, t.pieces...), t.end)
	}
	slices.Sort(instants)
	return len(slices.Compact(instants))
}

// last returns when the last task ended.
func last(tasks []task) (end time.Duration) {
	for _, t := range tasks {
		end = max(end, t.end)
	}
	return end
}
