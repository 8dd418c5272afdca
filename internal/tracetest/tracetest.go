// Package tracetest makes traces for tests of what reads them.
package tracetest

import (
	"iter"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Events returns events, and after them an error unless that is nil, as a reader of a
// trace does.
func Events(err error, events ...trace.Event) iter.Seq2[trace.Event, error] {
	return func(yield func(trace.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(trace.Event{}, err)
		}
	}
}
