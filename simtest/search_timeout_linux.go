package simtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// processorWaits measures the time that a process has waited for processors.
type processorWaits struct {
	pid  int
	last map[string]time.Duration // by thread
}

// since returns the time that the process has waited for a processor since the last
// call: the longest wait of its threads, or 0 if it is unknown.
func (w *processorWaits) since() (longest time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", w.pid))
	now := make(map[string]time.Duration, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		fields := bytes.Fields(text) // time on processors, time waiting for one, and number of time slices
		if len(fields) < 2 {
			continue
		}
		waited, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		now[file] = time.Duration(waited)
		if last, known := w.last[file]; known {
			longest = max(longest, now[file]-last)
		}
	}
	w.last = now
	return longest
}
