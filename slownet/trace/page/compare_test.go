package page_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tracetest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

// The first differing event is found by the fields that the digest covers, without
// packets, and the page has all events of both runs.
func TestCompare(t *testing.T) {
	event := func(at time.Duration, change ...func(e *trace.Event)) trace.Event {
		e := trace.Event{At: at, Kind: trace.Data, From: "a", To: "b", Conn: conn, Length: 3, Hash: 7}
		for _, c := range change {
			c(&e)
		}
		return e
	}
	packet := func(at time.Duration) trace.Event {
		return trace.Event{At: at, Kind: trace.Packet, From: "a", Conn: conn}
	}
	hash := func(e *trace.Event) { e.Hash = 8 }
	payload := func(e *trace.Event) { e.Payload = "abc" } // no digest covers payloads
	damage := errors.New("damaged")

	for name, test := range map[string]struct {
		first, second []trace.Event
		wrong         error // ends the second run
		want          string
	}{
		"nothing":     {want: `{"same":0,"last":-1}`},
		"the same":    {first: []trace.Event{event(1), event(2)}, second: []trace.Event{event(1), event(2, payload)}, want: `{"same":2,"last":1}`},
		"other bytes": {first: []trace.Event{event(1), event(2), event(3)}, second: []trace.Event{event(1), event(2, hash), event(4)}, want: `{"same":1,"last":0,"marks":[1,1]}`},
		"at once":     {first: []trace.Event{event(1)}, second: []trace.Event{event(2)}, want: `{"same":0,"last":-1,"marks":[0,0]}`},
		"a beginning": {first: []trace.Event{event(1), event(2)}, second: []trace.Event{event(1)}, want: `{"same":1,"last":0,"marks":[1,-1]}`},
		"no events":   {second: []trace.Event{event(1), event(2)}, want: `{"same":0,"last":-1,"marks":[-1,0]}`},
		"damage":      {first: []trace.Event{event(1), event(2)}, second: []trace.Event{event(1)}, wrong: damage, want: `{"same":1,"last":0,"marks":[1,-1]}`},
		"packets":     {first: []trace.Event{packet(1), event(1), packet(2), event(2)}, second: []trace.Event{event(1), event(3)}, want: `{"same":1,"last":1,"marks":[3,1]}`},
	} {
		var text bytes.Buffer
		err := page.WriteHTML(&text, page.Options{Compare: true},
			page.Run{Events: tracetest.Events(nil, test.first...)}, page.Run{Events: tracetest.Events(test.wrong, test.second...)})
		require.ErrorIs(t, err, test.wrong, name)
		told := about(t, text.String())
		assert.JSONEq(t, test.want, string(told.Difference), name)
		assert.EqualValues(t, len(test.first), told.Runs[0]["events"], name)
		assert.EqualValues(t, len(test.second), told.Runs[1]["events"], name)
	}
}

// A difference is found even if only one run of three differs.
func TestCompareThree(t *testing.T) {
	run := func(at ...time.Duration) page.Run {
		var events []trace.Event
		for _, at := range at {
			events = append(events, trace.Event{At: at, Kind: trace.Data})
		}
		return page.Run{Events: tracetest.Events(nil, events...)}
	}
	text := write(t, page.Options{Compare: true}, run(1, 2, 3), run(1, 2, 3), run(1, 2, 4))
	assert.JSONEq(t, `{"same":2,"last":1,"marks":[2,2,2]}`, string(about(t, text).Difference))
	text = write(t, page.Options{Compare: true}, run(1))
	assert.JSONEq(t, `null`, string(about(t, text).Difference))
	text = write(t, page.Options{}, run(1), run(2))
	assert.JSONEq(t, `null`, string(about(t, text).Difference))
}

// Runs of many blocks are compared without being held in memory: when one run has ended,
// the other's later events are still unread.
func TestCompareMany(t *testing.T) {
	const n = 100_000
	read := [2]int{}
	run := func(which int) page.Run {
		return page.Run{Events: func(yield func(trace.Event, error) bool) {
			for i := range n {
				e := trace.Event{At: time.Duration(i), Kind: trace.Data, From: "a", To: "b", Conn: conn}
				if i == n/2 && which == 1 {
					e.Length = 1
				}
				read[which]++
				if ahead := read[0] - read[1]; i < n/2 && (ahead < -1 || ahead > 1) {
					t.Fatalf("the first run has been read up to event %d, the second one up to %d", read[0], read[1])
				}
				if !yield(e, nil) {
					return
				}
			}
		}}
	}
	text := write(t, page.Options{Compare: true}, run(0), run(1))
	assert.JSONEq(t, `{"same":50000,"last":49999,"marks":[50000,50000]}`, string(about(t, text).Difference))
	assert.Equal(t, [2]int{n, n}, read)
}
