package simtest

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/slowpoetry/slowpoetry/internal/spelling"
)

// mustBeHosts panics if a fault names a host that does not exist.
func (s *Sim) mustBeHosts(call string, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.hosts[name] == nil {
			advice := cmp.Or(s.nearestLocked(name), ": create it first, with Sim.Host")
			panic(fmt.Sprintf("simtest: %s names %q, which is not a host%s", call, name, advice))
		}
	}
}

// A namedHost is a host that a call has named and that need not exist yet.
type namedHost struct {
	file string // empty for a fault of a schedule
	line int
	call string
	name string
}

// expectHosts records hosts that the caller's caller has named, and that must exist
// when the simulation's function has ended.
func (s *Sim) expectHosts(call string, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.hosts[name] == nil {
			_, file, line, _ := runtime.Caller(2)
			s.expected[namedHost{file, line, call, name}] = struct{}{}
		}
	}
}

// missingHosts describes hosts that were named and never created; it is empty if there
// are none.
func (s *Sim) missingHosts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text strings.Builder
	missing := slices.DeleteFunc(slices.Collect(maps.Keys(s.expected)), func(n namedHost) bool { return s.hosts[n.name] != nil })
	slices.SortFunc(missing, func(a, b namedHost) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.call, b.call), cmp.Compare(a.name, b.name))
	})
	var lines []string
	for _, n := range missing {
		where := ""
		if n.file != "" {
			where = fmt.Sprintf("%s:%d: ", filepath.Base(n.file), n.line)
		}
		lines = append(lines, fmt.Sprintf("%s%s names %q%s", where, n.call, n.name, s.nearestLocked(n.name)))
	}
	if len(lines) > 0 {
		text.WriteString("simtest: some hosts were named but never created: fix the names, or create the hosts with Sim.Host\n")
		writeLines(&text, lines)
	}
	return text.String()
}

// nearestLocked suggests the host name nearest to an unknown one, if one is near:
// at most half of the letters are wrong. Two that are swapped count as two.
func (s *Sim) nearestLocked(name string) string {
	if len(s.ordered) == 0 {
		return ": there are none yet"
	}
	nearest, least := "", (max(1, len(name)/2)+1)*spelling.Edit
	for _, h := range s.ordered {
		if d := spelling.Distance(name, h.name); d < least && d < len(h.name)*spelling.Edit {
			nearest, least = h.name, d
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf("; the nearest name is %q", nearest)
}
