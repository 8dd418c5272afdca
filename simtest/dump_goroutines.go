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

// To say which goroutines still exist on which host takes two of the runtime's
// lists. The goroutine profile has labels, which a goroutine inherits from the
// one that starts it, and so knows the host, whoever has ended in between. The
// stack dump has what each goroutine waits for, and its bubble: it lists also
// those that have lost their labels, as what time.AfterFunc starts in a bubble
// has, and what uses labels of its own. The two have no goroutine's number in
// common, but the same frames: goroutines with the same frames wait for the same
// thing, and if the dump has more of them than the profile has labelled, the
// rest is counted as the test's. (Go 1.26 can print labels in a stack dump, but
// only if GODEBUG says so.)

// The labels of a simulation's goroutines. They are in every profile, so
// -tagfocus of go tool pprof shows one host's share of the processor.
const (
	simulationLabel = "simtest"
	hostLabel       = "simtest.host"
)

// newSimulationID returns what tells this simulation's goroutines from those of
// all others of the process: the number of the caller's bubble, or outside of
// one a number of its own.
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

// joinSimulation makes the calling goroutine, and all that it starts from then
// on, part of the simulation: of the test itself, not of any host.
func joinSimulation(id string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(simulationLabel, id)))
}

// onHost returns a context with the labels of the host's goroutines, so that they
// survive a pprof.Do.
func onHost(ctx context.Context, id, host string) context.Context {
	return pprof.WithLabels(ctx, pprof.Labels(simulationLabel, id, hostLabel, host))
}

// goOnHost starts f in a goroutine of the host. What f starts is the host's too.
// The context that f gets has the labels.
func goOnHost(ctx context.Context, id, host string, f func(ctx context.Context)) {
	ctx = onHost(ctx, id, host)
	go func() {
		pprof.SetGoroutineLabels(ctx)
		f(ctx)
	}()
}

// doOnHost calls f in the calling goroutine as one of the host's.
func doOnHost(id, host string, f func()) {
	pprof.Do(callersLabels(), pprof.Labels(simulationLabel, id, hostLabel, host), func(context.Context) { f() })
}

// runUnlisted calls f. A goroutine that is in it is never listed: it is the
// simulation's own. What f starts is listed, and of the test unless goOnHost
// starts it.
func runUnlisted(f func()) { f() }

// hostGoroutines are the goroutines of one host, the largest group first.
type hostGoroutines struct {
	host   string // empty for those of no host: of the test itself
	places []place
}

// theTest stands for the host of goroutines that belong to none.
const theTest = "the test itself"

// A place is where goroutines are that have the same frames and wait for the
// same thing.
type place struct {
	count int
	waits string // "simtest Accept" for a call of this package; else the runtime's word, such as "chan receive"
	where string // the innermost call that is not part of the waiting itself: "net/http.(*Server).Serve (server.go:3454)"
	from  string // the innermost call outside of the standard library, if where is not outside: "shop.serve (shop.go:12)"
}

// stillRunning returns the goroutines of the simulation that exist: by host, the
// test's own first. The caller's is not among them, nor are those of the
// simulation and of testing/synctest. It may be called inside of the bubble and
// after that has ended. For the counts to be exact nothing may run meanwhile.
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

// sortPlaces returns how many goroutines are at each place, in the order of a
// list.
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

// A list of goroutines gives at most so many hosts, and so many places of each.
const (
	maxHostsListed  = 20
	maxPlacesListed = 20
)

// formatGoroutines returns lines for a reader:
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
