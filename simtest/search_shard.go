package simtest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/sweep"
)

// A divider is a CI system that runs a job on several machines, and gives each of them
// an index.
type divider struct {
	name         string
	index, total string // variables
	from         int    // the first machine's index
}

var dividers = []divider{
	{"GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1},
	{"Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0},
	{"CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0},
}

// parseShard returns the shard of SIMTEST_SHARD, or all seeds.
func parseShard(get environ) (s sweep.Shard, err error) {
	text := get(shardVariable)
	switch text {
	case "":
		return s, nil
	case "auto":
		return dividedShard(get)
	}
	index, total, ok := strings.Cut(text, "/")
	if s, ok = shardOf(index, total, 1, ok); !ok {
		return s, fmt.Errorf("%s is %q, which is not a shard: set it to a part such as 3/16, which is the third of sixteen, or to auto, or unset it", shardVariable, text)
	}
	return s, nil
}

// dividedShard returns the shard that the CI system assigns to this machine.
func dividedShard(get environ) (s sweep.Shard, err error) {
	var names, found []string
	for _, d := range dividers {
		names = append(names, fmt.Sprintf("%s's %s and %s", d.name, d.index, d.total))
		index, total := get(d.index), get(d.total)
		if d.name == "GitLab" && index == "" && total == "1" {
			index = "1" // a job that is not parallel has only the total
		}
		if index == "" && total == "" {
			continue
		}
		found = append(found, d.name+"'s")
		var ok bool
		if s, ok = shardOf(index, total, d.from, true); !ok {
			return s, fmt.Errorf("%s is auto, but %s's %s is %q and %s is %q, which is not a shard: set %s to a part such as 3/16, or unset it",
				shardVariable, d.name, d.index, index, d.total, total, shardVariable)
		}
	}
	switch len(found) {
	case 0:
		return s, fmt.Errorf("%s is auto, but none of these is set: %s: set it to a part such as 3/16, or unset it", shardVariable, strings.Join(names, "; "))
	case 1:
		return s, nil
	}
	return s, fmt.Errorf("%s is auto, but more than one system's variables are set, %s: set it to a part such as 3/16, or unset it", shardVariable, strings.Join(found, " and "))
}

// shardOf returns the shard with an index that is counted from the given number on.
func shardOf(index, total string, from int, ok bool) (s sweep.Shard, valid bool) {
	i, err := strconv.ParseUint(index, 10, 31)
	n, err2 := strconv.ParseUint(total, 10, 31)
	s = sweep.Shard{Index: int(i) + 1 - from, Total: int(n)}
	if !ok || err != nil || err2 != nil || s.Index < 1 || s.Index > s.Total {
		return sweep.Shard{}, false
	}
	return s, true
}
