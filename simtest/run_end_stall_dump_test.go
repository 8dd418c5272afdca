package simtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A simulation is blocked only when each of its goroutines is durably blocked,
// including one that appears outside its bubble for a moment because it assists the
// garbage collector.
func TestProgressOfADump(t *testing.T) {
	const (
		caller  = "goroutine 1 [running, synctest bubble 7]"
		asleep  = "goroutine 2 [sleep (durable), 3 minutes, synctest bubble 7]"
		locked  = "goroutine 3 [sync.Mutex.Lock, synctest bubble 7]"
		readers = "goroutine 4 [sync.RWMutex.RLock, 1 minutes, synctest bubble 7]"
		other   = "goroutine 5 [runnable, synctest bubble 8]"
		outside = "goroutine 6 [chan receive]"
	)
	for want, headers := range map[progress][]string{
		allBlocked: {asleep, asleep + "\n" + other, outside, "goroutine 7 [select (durable), synctest bubble 7] labels:{a: runnable}"},
		running:    {"goroutine 7 [runnable]", asleep + "\ngoroutine 7 [running, locked to thread]"},
		collecting: {"goroutine 7 [GC assist wait]", "goroutine 7 [runnable]\ngoroutine 8 [GC assist marking]", "goroutine 7 [semacquire]"},
		stuck:      {locked, asleep + "\n" + readers + "\n" + outside, locked + "\ngoroutine 7 [runnable]"},
		moving:     {"goroutine 7 [runnable, synctest bubble 7]", locked + "\ngoroutine 7 [IO wait, synctest bubble 7]", "goroutine 7 [chan receive, synctest bubble 7]\n" + locked},
	} {
		for _, header := range headers {
			dump := caller + ":\nmain.f()\n\tfile.go:1"
			for line := range strings.Lines(header) {
				dump += "\n\n" + strings.TrimSuffix(line, "\n") + ":\nmain.f()\n\tfile.go:1"
			}
			assert.Equal(t, want, progressOf(dump, "7"), header)
		}
	}
}
