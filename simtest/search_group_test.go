package simtest

import (
	"strings"
	"testing"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
)

// Messages that differ only in numbers are one group.
func TestMaskNumbers(t *testing.T) {
	for a, b := range map[string]string{
		"read 3, want 4": "read 17, want 18",
		"dial tcp 10.0.0.1:3000: timed out after 1m2.5s": "dial tcp 10.0.0.22:51000: timed out after 300ms",
		"at 0xc000123456":                                 "at 0x7ffe",
		"node n1 has digest 1f3870be274f6c49":             "node n2 has digest ab12cd34ef56ab78",
		"id 550e8400-e29b-41d4-a716-446655440000 is lost": "id 67e55044-10b1-426f-9247-bb680e5fe0c8 is lost",
		"took 24h0m0s of simulated time":                  "took 1.5µs of simulated time",
		"1,000 of 2.5":                                    "7 of 8",
	} {
		assert.Equal(t, maskNumbers(a), maskNumbers(b))
		assert.Contains(t, maskNumbers(a), "#")
	}
	for _, text := range []string{"read a, want b", "the feed is dead", "decade of facade"} {
		assert.Equal(t, text, maskNumbers(text))
	}
	assert.NotEqual(t, searchFailure{"a", "x.go:1"}.id(), searchFailure{"a", "x.go:2"}.id())
	assert.NotEqual(t, searchFailure{"a", "x.go:1"}.id(), searchFailure{"b", "x.go:1"}.id())
	assert.Equal(t, searchFailure{"a 1", "x.go:1"}.id(), searchFailure{"a 2", "x.go:1"}.id())
}

func TestFailureOf(t *testing.T) {
	for _, c := range []struct {
		name, output, died string
		ended              bool
		message, place     string
	}{
		{name: "the last line", output: "noise\n    x_test.go:3: a word\n    x_test.go:4: read 3, want 4\n    run.go:1: simtest: the seed was 7. To run it again:\n        SIMTEST_SEED=7 go test\n",
			message: "read 3, want 4", place: "x_test.go:4"},
		{name: "the first assertion", output: `
    x_test.go:3: a word
    x_test.go:5: 
        	Error Trace:	/y/x_test.go:5
        	            				/y/z.go:8
        	Error:      	Not equal: 
        	            	expected: 3
        	            	actual  : 4
        	Test:       	TestX
        	Messages:   	round 7
    x_test.go:6: later
`, message: "Not equal: round 7", place: "x_test.go:5"},
		{name: "the simulation", output: "    x_test.go:3: a word\n    run_end.go:90: simtest: stopped after 24h0m0s of simulated time: the time limit is reached.\n        The last\n    x_test.go:9: later\n",
			message: "simtest: stopped after 24h0m0s of simulated time: the time limit is reached."},
		{name: "a panic", output: `panic: runtime error: index out of range [3] with length 3 [recovered, repanicked]

goroutine 22 [running, synctest bubble 1]:
example.com/y.cleanUp()
	/y/clean.go:3 +0x5
panic({0x5, 0x6})
	/usr/local/go/src/runtime/panic.go:860 +0x13a
example.com/y.(*store).get(...)
	/y/store.go:17
example.com/y.TestX.func1(0xc)
	/y/x_test.go:8 +0x25

goroutine 1 [chan receive]:
main.main()
	/y/main.go:9
`, died: "the process has ended: exit status 2", message: "panic: runtime error: index out of range [3] with length 3", place: "store.go:17"},
		{name: "a fatal error", output: `fatal error: concurrent map writes

goroutine 22 [running]:
internal/runtime/maps.fatal({0x5, 0x6})
	/usr/local/go/src/runtime/panic.go:1 +0x13a
example.com/y.add(...)
	/y/store.go:18
`, died: "the process has ended: exit status 2", message: "fatal error: concurrent map writes", place: "store.go:18"},
		{name: "a data race", output: `    x_test.go:3: a word
==================
WARNING: DATA RACE
Write at 0x00c0000140b8 by goroutine 9:
  example.com/y.set()
      /y/z.go:30 +0x3a

Previous read at 0x00c0000140b8 by goroutine 8:
  runtime.mapaccess1()
      /usr/local/go/src/runtime/map.go:1 +0x1
  example.com/y.get()
      /y/a.go:12 +0x5

Goroutine 9 (running) created at:
  example.com/y.TestX()
      /y/x_test.go:29 +0x9
==================
    testing.go:1: race detected during execution of test
`, message: "DATA RACE", place: "a.go:12, z.go:30"},
		{name: "exit", output: "a line\n", died: "the process has ended: exit status 0", message: "the process has ended: exit status 0"},
		{name: "exit with an error", output: "    x_test.go:3: a word\n2000/01/01 00:00:00 no disk 7\n\n", died: "the process has ended: exit status 1",
			message: "the process has ended: exit status 1: 2000/01/01 00:00:00 no disk 7"},
		{name: "after what has no end", output: "loading...    x_test.go:4: read 3,    y_test.go:7: want 4\n", message: "read 3,    y_test.go:7: want 4", place: "x_test.go:4"},
		{name: "a long message", output: "    x_test.go:4: " + strings.Repeat("é", 700) + "\n", message: strings.Repeat("é", 500) + "...", place: "x_test.go:4"},
		{name: "a hang", output: `    x_test.go:3: a word

goroutine 12 [select (durable), synctest bubble 1]:
example.com/y.wait()
	/y/wait.go:1 +0x5

goroutine 14 [runnable]:
example.com/y.spin()
	/y/spin.go:7 +0x5
`, died: "it has not ended after 2m0s of real time", ended: true, message: "it has not ended after 2m0s of real time", place: "spin.go:7"},
		{name: "silence", message: "it failed without a message"},
	} {
		for _, end := range []string{"\n", "\r\n"} {
			got := failureOf(strings.ReplaceAll(c.output, "\n", end), c.died, c.ended)
			assert.Equal(t, searchFailure{c.message, c.place}, got, c.name)
		}
	}
}

// Useless lines of package testing, and the command that runs the seed again, are not
// shown with a seed's output.
func TestCleanOutput(t *testing.T) {
	output := "=== RUN   TestX\n    x.go:1: a word\n=== NAME  TestX\n    run.go:2: simtest: the seed was 7. To run it again:\n        SIMTEST_SEED=7 go test\n    x.go:3: --- FAIL: \n--- FAIL: TestX (0.00s)\n"
	faults := "    run.go:2: simtest: these faults were carried out:\n        fault 1s crash a\n        the seed was 7. To run it again:\n        SIMTEST_SEED=7 go test\n"
	assert.Equal(t, "    run.go:2: simtest: these faults were carried out:\n        fault 1s crash a\n", withoutRerun(faults))
	assert.Equal(t, "", withoutRerun("simtest: the seed was 7. To run it again:\nSIMTEST_SEED=7 go test"))
	assert.Equal(t, searchFailure{"broken", "x.go:1"}, failureOf("    x.go:1: broken\n"+faults, "", false))
	assert.Equal(t, "    x.go:1: a word\n    x.go:3: --- FAIL: ", withoutRerun(cleanOutput("TestX", output)))
}

// Only failures caused by another simulation are attributed to pools.
func TestOfPools(t *testing.T) {
	for _, line := range []string{
		"fatal error: receive on synctest channel from outside bubble", "fatal error: reset of synctest timer from outside bubble",
		"fatal error: synctest timer accessed from outside bubble", "fatal error: semaphore wake of synctest goroutine from outside bubble",
		"fatal error: sync: WaitGroup.Add called from inside and outside synctest bubble", "fatal error: sync: WaitGroup.Add called from multiple synctest bubbles",
	} {
		assert.True(t, ofPools("a line\n"+line+"\n\ngoroutine 1:\n"), line)
		assert.False(t, ofPools("    x.go:1: "+line), line)
	}
	assert.False(t, ofPools("fatal error: all goroutines are asleep - deadlock!"))
}

// A shape is the sequence of kinds and hosts, without repetitions.
func TestShape(t *testing.T) {
	of := func(events ...trace.Event) uint64 {
		var s shape
		for _, e := range events {
			s.event(e)
		}
		return s.digest
	}
	data, back, end := trace.Event{Kind: trace.Data, From: "a", To: "b"}, trace.Event{Kind: trace.Data, From: "b", To: "a"}, trace.Event{Kind: trace.Close, From: "a", To: "b"}
	longer := trace.Event{Kind: trace.Data, From: "a", To: "b", At: 5, Length: 9, Offset: 3, Hash: 4, Note: "x"}
	assert.Equal(t, of(data, back, end), of(longer, data, back, end))
	assert.NotEqual(t, of(data, back), of(back, data))
	assert.NotEqual(t, of(data), of(end))
	assert.NotEqual(t, of(data), of(data, back, data))
	assert.NotEqual(t, of(data), of())
}
