// Package tracetest makes traces for tests of code that reads traces.
package tracetest

import (
	"iter"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// Events returns an iterator over events, followed by the error unless that is nil, like
// [trace.Reader.All].
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
