package simtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The runtime does not record which goroutine holds a mutex. But while others wait, the
// holder is usually in a call made by the function that locked the mutex, which often
// belongs to the same type or function as the waiting call.

// A lockWait is a mutex that goroutines wait for.
type lockWait struct {
	address string       // empty if unknown
	waiters []*goroutine // by their numbers in a dump
	call    frame        // of the first waiter: the call that locks the mutex
}

// lockWaits returns the mutexes that goroutines wait for. Mutexes with unknown
// addresses are distinguished by the place of the call.
func lockWaits(all []*goroutine) (waits []*lockWait) {
	known := make(map[string]*lockWait)
	for _, g := range all {
		if !g.waitsForMutex() {
			continue
		}
		address, call := g.lock()
		key := cmp.Or(address, call.file)
		l := known[key]
		if l == nil {
			l = &lockWait{address: address, call: call}
			known[key] = l
			waits = append(waits, l)
		}
		l.waiters = append(l.waiters, g)
	}
	return waits
}

// lock returns the address of the mutex that a goroutine waits for, if known, and the
// call that locks it.
func (g *goroutine) lock() (address string, call frame) {
	for _, f := range g.frames {
		if !f.locks() {
			return address, f
		}
		if strings.HasPrefix(f.owner(), "sync.(*") || f.owner() == "internal/sync.(*Mutex)" {
			address = cmp.Or(address, f.first)
		}
	}
	return address, g.creator // go mu.Lock()
}

// locks reports whether the call is part of locking a mutex.
func (f frame) locks() bool {
	switch f.owner() {
	case "sync.(*Mutex)", "sync.(*RWMutex)", "sync.(*rlocker)":
		return true
	}
	name := packageOf(f.function)
	return name == "internal/sync" || name == "sync" && strings.HasPrefix(f.function, "sync.runtime_")
}

// owner returns the type of a method, "x/y.(*T)", or the function, "x/y.f". A closure's
// owner is that of the enclosing function.
func (f frame) owner() string {
	name := packageOf(f.function)
	rest := strings.TrimPrefix(f.function[len(name):], ".")
	if strings.HasPrefix(rest, "(") {
		if end := strings.IndexByte(rest, ')'); end > 0 {
			return name + "." + rest[:end+1]
		}
	}
	rest, _, _ = strings.Cut(rest, ".")
	return name + "." + rest
}

// A likelihood is the likelihood that a goroutine holds a mutex.
type likelihood int

const (
	unlikely   likelihood = iota
	possible              // it is in a call of the same package as the locking call
	plausible             // it is in a call of the same function, or of another closure in it
	likely                // it is in a call of a method of the same type
	veryLikely            // and the method has the same receiver
)

// likelihood returns the likelihood that a goroutine holds the mutex.
func (l *lockWait) likelihood(g *goroutine) (best likelihood) {
	for _, f := range g.frames {
		switch {
		case f.locks(), f.own():
		case f.owner() != l.call.owner():
			if packageOf(f.function) == packageOf(l.call.function) && !f.standard() {
				best = max(best, possible)
			}
		case !strings.HasSuffix(f.owner(), ")"):
			best = max(best, plausible)
		case f.first == "" || l.call.first == "":
			best = max(best, likely)
		case f.first == l.call.first:
			return veryLikely
		}
	}
	return best
}

// holders returns the goroutines that are most likely to hold the mutex, and their
// likelihood. Goroutines of the waiters' host are preferred, since hosts share nothing
// but the network.
func (l *lockWait) holders(all []*goroutine, hosts hostsByKey) (holders []*goroutine, how likelihood) {
	atHome := false
	for _, g := range all {
		if slices.Contains(l.waiters, g) || g.unlisted() {
			continue
		}
		h, home := l.likelihood(g), hosts.name(g) == hosts.name(l.waiters[0])
		if h > how || h == how && home && !atHome {
			holders, how, atHome = nil, h, home
		}
		if h == how && home == atHome && how > unlikely {
			holders = append(holders, g)
		}
	}
	return holders, how
}

// hostsByKey holds the names of the hosts of a simulation's goroutines, by the
// keys of their stacks. Most keys have one host; the test itself has the empty
// name.
type hostsByKey map[string][]string

// hostsOf returns the hosts of the simulation's goroutines.
func hostsOf(id string) hostsByKey {
	hosts := make(hostsByKey)
	for _, s := range profileStacks(id) {
		if key := s.key(); !slices.Contains(hosts[key], s.host) {
			hosts[key] = append(hosts[key], s.host)
		}
	}
	return hosts
}

// name returns the name of the goroutine's host; empty for the test itself.
func (h hostsByKey) name(g *goroutine) string { return strings.Join(h[g.key()], " or ") }

// title returns the host's name for a report.
func (h hostsByKey) title(g *goroutine) string {
	if name := h.name(g); name != "" {
		return "host " + name
	}
	return theTest
}

const (
	maxLocksListed   = 5
	maxHoldersListed = 3
	maxInnermost     = 3
	maxCallsListed   = 10
)

// holdersText says which goroutines wait for which mutex, and which are likely to hold
// it, with their calls. It is empty if none waits for a mutex.
func holdersText(id string, all []*goroutine) string {
	waits := lockWaits(all)
	if len(waits) == 0 {
		return ""
	}
	hosts := hostsOf(id)
	var text strings.Builder
	text.WriteString("The runtime does not record which goroutine holds a mutex. Judging by the calls of goroutines:\n")
	for i, l := range waits {
		if i == maxLocksListed {
			fmt.Fprintf(&text, "and %d more mutexes\n", len(waits)-i)
			break
		}
		l.write(&text, all, hosts)
	}
	return text.String()
}

// write writes who waits for the mutex, and who holds it.
func (l *lockWait) write(text *strings.Builder, all []*goroutine, hosts hostsByKey) {
	first := l.waiters[0]
	at := first.place(first.state)
	fmt.Fprintf(text, "The mutex that %s waits for in %v", hosts.title(first), l.call)
	if at.from != "" && at.from != l.call.String() {
		fmt.Fprintf(text, ", from %s,", at.from)
	}
	if more := len(l.waiters) - 1; more > 0 {
		fmt.Fprintf(text, ", and %s", count(more, "other does,", "others do,"))
	}
	holders, how := l.holders(all, hosts)
	switch {
	case how == unlikely:
		text.WriteString(" is held by a goroutine whose calls do not show it: one that has ended, one outside of the simulation, or the one that waits\n")
	case how <= plausible, len(holders) > 1:
		text.WriteString(" may be held by")
	default:
		text.WriteString(" is most likely held by")
	}
	for i, g := range holders {
		if i > 0 {
			text.WriteString("  or by")
		}
		if i == maxHoldersListed {
			fmt.Fprintf(text, " %s\n", count(len(holders)-i, "other", "others"))
			break
		}
		fmt.Fprintf(text, " %s, in %s:\n", hosts.title(g), cmp.Or(g.place(g.state).waits, "an unknown state"))
		g.writeCalls(text)
	}
}

// writeCalls writes the calls of a goroutine, except calls of this package and of the
// waiting itself: the innermost calls, and the outer calls in the user's code.
func (s *stack) writeCalls(text *strings.Builder) {
	var calls []frame
	for _, f := range s.frames {
		if !f.own() && !(len(calls) == 0 && f.waiting()) {
			calls = append(calls, f)
		}
	}
	listed, last := 0, -1
	for i, f := range calls {
		if i >= maxInnermost && !f.ofUser() || listed == maxCallsListed {
			continue
		}
		if i > last+1 {
			text.WriteString("    ...\n")
		}
		fmt.Fprintf(text, "    %v\n", f)
		listed, last = listed+1, i
	}
	if last < len(calls)-1 {
		text.WriteString("    ...\n")
	}
}
