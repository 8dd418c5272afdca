package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// groups maps functions of a profile to groups, by prefixes of their names. The
// first match counts.
var groups = []struct {
	name     string
	prefixes []string
}{
	{"copying bytes", []string{"runtime.memmove"}},
	{"allocating and collecting garbage", []string{"internal/runtime/gc/", "runtime.gc", "runtime.greyobject", "runtime.findObject", "runtime.spanOf", "runtime.(*mcache", "runtime.(*mcentral", "runtime.(*mheap", "runtime.(*stkframe", "runtime.scan", "runtime.malloc", "runtime.memclr", "runtime.mark", "runtime.(*gc", "runtime.sweep", "runtime.(*sweep", "runtime.(*mspan", "runtime.growslice", "runtime.newobject", "runtime.tryDefer", "runtime.(*unwinder", "runtime.pcvalue", "runtime.step", "runtime.readvarint"}},
	{"the runtime: goroutines, channels, timers", []string{"runtime.", "internal/runtime/", "internal/synctest", "testing/synctest", "gogo", "aeshashbody"}},
	{"mutexes and conditions", []string{"sync.", "internal/sync.", "sync/atomic."}},
	{"hashing", []string{"github.com/zeebo/xxh3."}},
	{"the simulator", []string{"github.com/slowpoetry/slowpoetry/simtest.", "github.com/slowpoetry/slowpoetry/slownet.", "slices."}},
	{"everything else", []string{""}},
}

// profiles returns a table of the shares of processor time, from the output of
// go tool pprof -top for each contender, in files next to the results.
func (r *results) profiles(contendersAndFiles ...string) (string, error) {
	if len(contendersAndFiles)%2 != 0 {
		return "", errors.New("profiles needs contenders, each with a file")
	}
	header, line := "| % of the time |", "|---|"
	var columns []map[string]float64
	for i := 0; i < len(contendersAndFiles); i += 2 {
		header += " " + contendersAndFiles[i] + " |"
		line += "--:|"
		shares, err := readProfile(filepath.Join(r.directory, contendersAndFiles[i+1]))
		if err != nil {
			return "", err
		}
		columns = append(columns, shares)
	}
	lines := []string{header, line}
	for _, g := range groups {
		row := "| " + g.name + " |"
		for _, shares := range columns {
			row += fmt.Sprintf(" %.0f |", shares[g.name])
		}
		lines = append(lines, row)
	}
	return strings.Join(lines, "\n"), nil
}

// readProfile returns the percentages of the groups.
func readProfile(file string) (map[string]float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	shares := make(map[string]float64)
	total := 0.0
	// flat flat% sum% cum cum% name
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || !strings.HasSuffix(fields[1], "%") || !strings.HasSuffix(fields[2], "%") {
			continue
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(fields[1], "%"), 64)
		if err != nil {
			continue
		}
		shares[groupOf(fields[5])] += share
		total += share
	}
	if total < 90 {
		return nil, fmt.Errorf("%s has only %.0f %% of a profile", file, total)
	}
	return shares, nil
}

func groupOf(function string) string {
	for _, g := range groups {
		for _, prefix := range g.prefixes {
			if strings.HasPrefix(function, prefix) {
				return g.name
			}
		}
	}
	return ""
}
