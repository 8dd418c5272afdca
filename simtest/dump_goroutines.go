package simtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
)

// A list of the goroutines that still exist, by host, is made from two lists of the
// runtime. The goroutine profile contains labels, which a goroutine inherits from the
// one that starts it, so the profile shows the host, even if the parent has ended. The
// stack dump shows what each goroutine waits for, and its bubble. It also lists
// goroutines without the simulation's labels: those that time.AfterFunc starts in a
// bubble, and those with labels of their own. The two lists have no goroutine numbers
// in common, but the same frames. Goroutines with the same frames wait for the same
// thing, and if the dump has more of them than the profile, the rest count as the
// test's. (Go 1.26 can print labels in a stack dump, but only with a GODEBUG setting.)

// The labels of a simulation's goroutines. They are in every profile, so go tool pprof
// -tagfocus shows one host's share of processor time.
const (
	simulationLabel = "simtest"
	hostLabel       = "simtest.host"
)

// newSimulationID returns an ID for this simulation's goroutines that is unique in the
// process: the number of the caller's bubble, or outside of a bubble a new number.
func newSimulationID() string {
	dump := make([]byte, 200)
	dump = dump[:runtime.Stack(dump, false)]
	header, _, _ := strings.Cut(string(dump), "\n")
	if _, bubble := parseHeader(header); bubble != "" {
		return bubble
	}
	return fmt.Sprint("real time ", realTimes.Add(1))
}

var realTimes atomic.Uint64

// joinSimulation makes the calling goroutine, and all goroutines that it starts from
// then on, part of the simulation: of the test itself, not of a host.
func joinSimulation(id string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(simulationLabel, id)))
}

// onHost returns a context with the labels of the host's goroutines, so that they
// survive a pprof.Do.
func onHost(ctx context.Context, id, host string) context.Context {
	return pprof.WithLabels(ctx, pprof.Labels(simulationLabel, id, hostLabel, host))
}

// goOnHost starts f in a goroutine of the host. Goroutines that f starts belong to the
// host, too. The context passed to f has the labels.
func goOnHost(ctx context.Context, id, host string, f func(ctx context.Context)) {
	ctx = onHost(ctx, id, host)
	go func() {
		pprof.SetGoroutineLabels(ctx)
		f(ctx)
	}()
}

// doOnHost calls f in the calling goroutine, which belongs to the host until f returns.
func doOnHost(id, host string, f func()) {
	pprof.Do(callersLabels(), pprof.Labels(simulationLabel, id, hostLabel, host), func(context.Context) { f() })
}

// runUnlisted calls f. A goroutine inside runUnlisted is the simulation's own and is
// never listed. Goroutines that f starts are listed, as the test's unless goOnHost
// starts them.
func runUnlisted(f func()) { f() }

// hostGoroutines are the goroutines of one host, the largest group first.
type hostGoroutines struct {
	host   string // empty for goroutines of the test itself
	places []place
}

// theTest is the name in reports for goroutines that belong to no host.
const theTest = "the test itself"

// A place is the location of goroutines that have the same frames and wait for the same
// thing.
type place struct {
	count int
	waits string // "simtest Accept" for a call of this package; otherwise the runtime's wait reason, such as "chan receive"
	where string // the innermost call that is not part of the waiting itself: "net/http.(*Server).Serve (server.go:3454)"
	from  string // the innermost call outside the standard library, if where is inside: "shop.serve (shop.go:12)"
}

// stillRunning returns the simulation's goroutines by host, the test's own first,
// without the caller and without the goroutines of the simulation itself and of
// testing/synctest. It can be called in the bubble and after the bubble has ended. The
// counts are exact if nothing runs in the meantime.
func stillRunning(id string) []hostGoroutines {
	labelled := profileStacks(id)
	dumped, waits := dumpStacks(id)
	byHost := make(map[string]map[place]int)
	add := func(host string, s *stack, count int) {
		if s.unlisted() || count <= 0 {
			return
		}
		if byHost[host] == nil {
			byHost[host] = make(map[place]int)
		}
		byHost[host][s.place(waits[s.key()])] += count
	}
	for _, s := range labelled {
		add(s.host, s, s.count)
		if d := dumped[s.key()]; d != nil {
			d.count -= s.count
		}
	}
	for _, s := range dumped {
		add("", s, s.count)
	}
	return sortPlaces(byHost)
}

// sortPlaces returns the places with their numbers of goroutines, sorted for a report.
func sortPlaces(byHost map[string]map[place]int) (all []hostGoroutines) {
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		h := hostGoroutines{host: host}
		for p, count := range byHost[host] {
			p.count = count
			h.places = append(h.places, p)
		}
		slices.SortFunc(h.places, func(a, b place) int {
			return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.where, b.where), cmp.Compare(a.from, b.from), cmp.Compare(a.waits, b.waits))
		})
		all = append(all, h)
	}
	return all
}

// Limits of a list of goroutines.
const (
	maxHostsListed  = 20
	maxPlacesListed = 20
)

// formatGoroutines returns lines for a report:
//
//	the test itself:
//	   1 in chan receive: raft_test.TestElection.func1 (raft_test.go:31)
//	poet:
//	  12 in select: raft.(*node).run (node.go:40)
//	   1 in simtest Accept: net/http.(*Server).Serve (server.go:3454), from shop.serve (shop.go:12)
func formatGoroutines(all []hostGoroutines) string {
	var b strings.Builder
	for i, h := range all {
		if i == maxHostsListed {
			fmt.Fprintf(&b, "and %d more hosts\n", len(all)-i)
			break
		}
		fmt.Fprintf(&b, "%s:\n", cmp.Or(h.host, theTest))
		for j, p := range h.places {
			if j == maxPlacesListed {
				more := 0
				for _, p := range h.places[j:] {
					more += p.count
				}
				fmt.Fprintf(&b, "  and %d more\n", more)
				break
			}
			fmt.Fprintf(&b, "%4d in %s: %s", p.count, cmp.Or(p.waits, "an unknown state"), p.where)
			if p.from != "" {
				fmt.Fprintf(&b, ", from %s", p.from)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
