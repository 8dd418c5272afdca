package simtest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A Sim is a simulated network: hosts, and links between them. All its methods
// may be called from any goroutine of the simulation.
type Sim struct {
	seed       uint64
	link       netem.Link                        // of routes that have none of their own
	window     int                               // of connections with ideal streams, in bytes
	tcp        *netem.TCP                        // of hosts that have none of their own
	limit      time.Duration                     // when the simulation is stopped; 0 is never
	limitIs    string                            // what it is, in words
	fail       func(report string)               // fails the test
	started    func(host string, f func())       // runs f in a goroutine of a host's; "" is the test's
	running    func() string                     // describes the goroutines that there are
	context    func(host string) context.Context // that programs of a host's start from; it has their goroutines' labels
	settle     func()                            // returns when every goroutine of the simulation is blocked
	logHandler slog.Handler                      // of hosts' loggers
	nap        func(d time.Duration)             // sleeps in real time; nil outside of a bubble
	bubble     string                            // its number
	layers     Layers                            // of the overlay
	overlaySim uint64                            // its number for the net package; 0 for none
	origin     time.Time                         // simulated time 0
	originNano int64                             // the same, since 1970
	wake       chan struct{}                     // gets a token when the sleeping loop has something to look at
	stopped    chan struct{}                     // closed when the loop has ended
	expired    chan struct{}                     // closed when the simulation was stopped before its end
	random     *rand.Rand
	took       atomic.Int64  // how long the simulation has taken; -1 while it has not ended
	turns      atomic.Uint64 // of the loop; for the watchdog

	mu            sync.Mutex // guards what follows, and all state of hosts, listeners and connections
	hosts         map[string]*Host
	named         map[string]*Host // by plain name
	ordered       []*Host          // by number
	byAddr        map[netip.Addr]*Host
	routes        map[[2]string]*route       // from, to
	expected      map[namedHost]struct{}     // that links were set for before they existed
	bottlenecks   map[*netem.Bottleneck]bool // that have met the simulation
	names         map[string]Name
	chaos         *chaosState     // nil for none
	posted        []action        // since the loop looked last, in the order of the scheduler
	deferred      bool            // the loop was not woken for what is posted, see postSentLocked
	deferredAt    time.Duration   // when that was posted
	alarm         *time.Timer     // wakes the sleeping loop
	alarmAt       time.Duration   // when
	spare         []action        // room for posted
	order         []ranked        // of posted, while they are sorted
	controls      []control       // what is to be done to the network itself
	released      []chan struct{} // calls of control that return when this instant's events have happened
	settling      []chan struct{} // calls of Settle
	segments      segments        // of TCP, on their way
	outgoing      netem.Segment   // one that is being sent
	crossings     crossings       // segments that are about to enter another hop
	faults        uint64          // counts what was done to the network itself, from 1 on
	windowUpdates []*conn         // that tell their peers of room
	queue         queue           // what is under way
	inner         queue           // what TCP does that nobody sees
	urgent        urgent          // which of that is to happen in time
	woken         bool            // the event that happens has woken someone, or may have
	rolls         fixedRolls      // instead of the lines' own; nil for none
	noImpairments bool            // nothing else befalls packets by chance
	ties          ties            // decides between things of one instant
	releases      int32           // counts what was held and is released
	instant       time.Duration   // the simulated time when the loop looked last; only for what it does
	lastAt        time.Duration   // when something happened last
	atOnce        int             // how much has happened at that instant
	notices       []func()        // to be called when mu is free again
	trace         Trace
	spareRings
	spareCalls
	spareResults results // of dials
	report       string  // why the simulation was stopped before its end
	asleep       bool    // the loop is, until wake gets a token or something is due
	ending       bool    // the contexts of programs have ended, or are about to
	closing      bool    // the loop is to end the simulation
	closed       bool    // the network takes no more calls

	programs int           // those of hosts' programs that have not returned
	returned chan struct{} // closed when all have; nil until they are waited for

	ends         []ending // what is still to end when the network closes; nil before it does
	stallWatched bool     // there is a watchStall
	stallCost    int      // their cost so far, in bytes of dumps
	stallDump    []byte   // buffer for a dump
}

// newSim starts a simulation. Outside of a bubble, on real time, settle does
// nothing, and the order of what happens at once is left to chance.
func newSim(config Config, settle func()) *Sim {
	s := &Sim{
		faults:      1, // a connection whose pair.faults is 0 has never been found healthy
		seed:        config.Seed,
		link:        config.Link,
		window:      config.window(),
		tcp:         orDefault(config.TCP, config.Window),
		limit:       config.timeLimit(),
		limitIs:     "the time limit is reached",
		started:     func(_ string, f func()) { go f() },
		running:     func() string { return "" },
		context:     func(string) context.Context { return context.Background() },
		fail:        func(report string) { panic(report) },
		settle:      settle,
		origin:      time.Now(),
		wake:        make(chan struct{}, 1),
		stopped:     make(chan struct{}),
		expired:     make(chan struct{}),
		random:      rand.New(&lockedSource{source: rand.NewPCG(config.Seed, mix64.Mix(config.Seed, 1))}),
		hosts:       make(map[string]*Host),
		named:       make(map[string]*Host),
		byAddr:      make(map[netip.Addr]*Host),
		routes:      make(map[[2]string]*route),
		expected:    make(map[namedHost]struct{}),
		bottlenecks: make(map[*netem.Bottleneck]bool),
		names:       make(map[string]Name),
	}
	s.originNano = s.origin.UnixNano()
	if config.Logger != nil {
		s.logHandler = config.Logger.Handler()
	} else {
		s.logHandler = s.logTo(os.Stderr)
	}
	s.took.Store(-1)
	s.ties.init(&config)
	if config.overrides != nil {
		s.useRolls(config.overrides.noImpairments, config.overrides.draws)
	}
	s.segments.free, s.crossings.free = none, none
	s.trace.init(s, config)
	s.joinBottleneckLocked(config.Link.Bottleneck)
	if config.chaos != nil {
		s.startChaos(config.chaos)
	}
	return s
}

// Host returns the host of that name, which it creates at the first call. The
// name is what other hosts dial: "poet:10000". Every host has an IPv4 and an
// IPv6 address of its own, numbered in the order of creation, and 127.0.0.1 and
// ::1 for itself. Host panics if the name is empty or could be taken for
// something else: an address, a port, or "localhost". Lookups and dials do not
// regard case, "POET:10000" is the same; so Host panics as well if the name
// differs only in case from that of another host.
func (s *Sim) Host(name string) *Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	if host := s.hosts[name]; host != nil {
		return host
	}
	if err := checkHostName(name); err != nil {
		panic(err.Error())
	}
	if other := s.named[plainName(name)]; other != nil {
		panic(fmt.Sprintf("simtest: host %q would have the name of host %q: the network does not regard case", name, other.name))
	}
	host := newHost(s, name, len(s.hosts)+1)
	s.hosts[name], s.named[plainName(name)] = host, host
	s.ordered = append(s.ordered, host)
	s.byAddr[host.v4], s.byAddr[host.v6] = host, host
	return host
}

// Now returns the simulated time, which begins with [Config.Start]; when the simulation has ended, that of its end.
func (s *Sim) Now() time.Time { return s.origin.Add(s.Elapsed()) }

// Elapsed returns how much simulated time has passed since the start; when the
// simulation has ended, how much it has taken.
func (s *Sim) Elapsed() time.Duration {
	if took := s.took.Load(); took >= 0 {
		return time.Duration(took)
	}
	return s.now()
}

// Rand returns a source of random numbers that the seed decides. It may be used
// from any goroutine; but what two of them draw at one instant is left to
// chance, so programs on hosts use their host's, see [Host.Rand].
func (s *Sim) Rand() *rand.Rand { return s.random }

// A lockedSource may be used from several goroutines.
type lockedSource struct {
	mu     sync.Mutex
	source rand.Source
}

// Uint64 returns the next number.
func (l *lockedSource) Uint64() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.source.Uint64()
}

// At has f called when so much simulated time has passed since the start; at
// once, if it has. The call is an event like all others, on a goroutine of its
// own: f may use the network, and wait. What is still to be called when the
// contexts of programs end is not called.
func (s *Sim) At(d time.Duration, f func()) {
	if f == nil {
		panic("simtest: At needs a function to call")
	}
	s.control(fmt.Sprint("at ", d, " ", callSite()), func() { s.callLaterLocked(d, f) })
}

// callSite returns where the caller of the caller is called.
func callSite() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprint(file, ":", line)
}

func (s *Sim) callLaterLocked(d time.Duration, f func()) {
	s.callAtLocked(d, nil, func() { s.scriptLocked(f) })
}

// scriptLocked calls a function of At or Every, in its own goroutine.
func (s *Sim) scriptLocked(f func()) {
	if s.startsLocked() {
		s.started("", f)
	}
}

// Every has f called again and again, every d of simulated time, until the
// contexts of programs end: the first time when d has passed since the start, or at the
// next multiple of d. The calls are those of [Sim.At]; one that takes longer
// than d does not keep the next one from being made. Every panics if d is not
// positive.
func (s *Sim) Every(d time.Duration, f func()) {
	if d <= 0 {
		panic("simtest: Every needs a positive duration, such as time.Second")
	}
	if f == nil {
		panic("simtest: Every needs a function to call")
	}
	s.control(fmt.Sprint("every ", d, " ", callSite()), func() {
		var call func()
		at := s.now() / d * d
		call = func() {
			s.scriptLocked(f)
			at = timeline.Add(at, d)
			s.callAtLocked(at, nil, call)
		}
		at = timeline.Add(at, d)
		s.callAtLocked(at, nil, call)
	})
}

// unlock releases mu and then tells those who wanted to be told.
func (s *Sim) unlock() {
	notices := s.notices
	s.notices = nil
	s.mu.Unlock()
	for _, notice := range notices {
		notice()
	}
}
