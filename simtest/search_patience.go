package simtest

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"
)

// A patience is how long to wait for a worker in real time. Time in which the
// machine, or the waiting process, was stopped does not count. Where more
// processes want to run than there are processors, it is longer.
type patience struct {
	limit  time.Duration
	loaded bool // the limit is as long as the machine's load makes it
	spent  time.Duration
	last   time.Time
}

func newPatience(limit time.Duration) *patience {
	return &patience{limit: limit, last: time.Now()}
}

// isOver is called every lookAtWorkerEvery or so, and reports whether it is over.
// The load is read at the first call: most seeds end before it, and to read it takes
// as long as half of what else a seed costs its search.
func (p *patience) isOver() bool {
	if !p.loaded {
		p.limit, p.loaded = time.Duration(float64(p.limit)*load()), true
	}
	now := time.Now()
	p.spent += min(now.Sub(p.last), 4*lookAtWorkerEvery)
	p.last = now
	return p.spent >= p.limit
}

// load returns how many processes want to run on a processor, as a mean of the last
// minute, and 1 where that is less or not known.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 1
	}
	first, _, _ := bytes.Cut(text, []byte(" "))
	processes, err := strconv.ParseFloat(string(first), 64)
	if err != nil {
		return 1
	}
	return max(1, processes/float64(runtime.NumCPU()))
}
