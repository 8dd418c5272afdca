package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// maxDrain is the maximum time for which the namespace outlives the command, so that the
// kernel can deliver the command's remaining data.
const maxDrain = 30 * time.Second

// drain waits until the kernel has delivered the data that the command wrote to connections
// before it closed them or ended. It reports whether there was such data. A signal ends the
// wait.
func drain(r *received) (waited bool) {
	start := time.Now()
	for time.Since(start) < maxDrain && !r.anySince(start) {
		if !unacknowledged("/proc/net/tcp") && !unacknowledged("/proc/net/tcp6") {
			return waited
		}
		waited = true
		time.Sleep(2 * time.Millisecond)
	}
	return waited
}

// unacknowledged reports whether a table of the kernel contains a connection that belongs to
// no process and has unacknowledged data. The table counts a FIN as a byte; drain does not
// wait for a FIN alone.
func unacknowledged(table string) bool {
	data, err := os.ReadFile(table)
	if err != nil {
		return false
	}
	const finWait1, lastAck, closing = "04", "09", "0B"
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[9] != "0" {
			continue
		}
		switch fields[3] {
		case finWait1, lastAck, closing:
			queued, _, _ := strings.Cut(fields[4], ":")
			if n, err := strconv.ParseUint(queued, 16, 64); err == nil && n > 1 {
				return true
			}
		}
	}
	return false
}
