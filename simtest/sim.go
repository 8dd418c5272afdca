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
	link       netem.Link                        // the default link of routes
	window     int                               // of ideal streams, in bytes
	tcp        *netem.TCP                        // the default of hosts
	limit      time.Duration                     // the time limit; 0 is none
	limitIs    string                            // the reason for stopping at the limit, in words
	fail       func(report string)               // fails the test
	started    func(host string, f func())       // runs f in a goroutine of a host; "" is the test
	running    func() string                     // describes the running goroutines
	context    func(host string) context.Context // the base of the contexts of a host's programs; has the labels of their goroutines
	settle     func()                            // returns when every goroutine of the simulation is blocked
	logHandler slog.Handler                      // of hosts' loggers
	nap        func(d time.Duration)             // sleeps in real time; nil outside of a bubble
	bubble     string                            // its number
	layers     Layers                            // of the overlay
	overlaySim uint64                            // its number for the net package; 0 for none
	origin     time.Time                         // simulated time 0
	originNano int64                             // origin in nanoseconds since 1970
	wake       chan struct{}                     // receives a token when the sleeping loop has something to do, or has ended
	stopped    chan struct{}                     // closed when the loop has ended
	expired    chan struct{}                     // closed when the simulation was stopped before its end
	random     *rand.Rand
	took       atomic.Int64  // duration of the whole simulation; -1 until it has ended
	turns      atomic.Uint64 // of the loop; for the watchdog

	mu            sync.Mutex // guards the fields below, and all state of hosts, listeners and connections
	hosts         map[string]*Host
	named         map[string]*Host // by plain name
	ordered       []*Host          // by number
	byAddr        map[netip.Addr]*Host
	routes        map[[2]string]*route       // from, to
	expected      map[namedHost]struct{}     // hosts named by links and faults before they existed
	bottlenecks   map[*netem.Bottleneck]bool // that have joined the simulation
	names         map[string]Name
	chaos         *chaosState     // nil for none
	posted        []action        // since the loop's last look, in the scheduler's order
	deferred      bool            // the loop was not woken for posted actions, see postSentLocked
	deferredAt    time.Duration   // time at which those were posted
	alarm         *time.Timer     // wakes the sleeping loop
	alarmAt       time.Duration   // time for which alarm is set; endOfTime if it is not set
	spare         []action        // memory for posted
	order         []ranked        // of posted, while they are sorted
	controls      []control       // pending operations on the network itself
	released      []chan struct{} // closed when this instant's events have happened, for callers of control
	settling      []chan struct{} // calls of Settle
	segments      segments        // of TCP, in flight
	outgoing      netem.Segment   // the segment being sent
	incoming      netem.Segment   // the segment of an event that is being received
	pending       netem.Segment   // the segment that a lazy connection is receiving
	crossings     crossings       // segments that are about to enter another hop
	faults        uint64          // counts operations on the network itself, from 1 on
	windowUpdates []*conn         // connections that owe their peers a window update
	queue         queue           // visible events
	inner         queue           // TCP's events that are not visible to users
	urgent        urgent          // inner events that must happen in time
	woken         bool            // the present event has woken a goroutine, or may have
	rolls         fixedRolls      // override the lines' own; nil for none
	noImpairments bool            // packets have no other random impairments
	ties          ties            // decides the order of events of one instant
	releases      int32           // counts releases of held packets
	instant       time.Duration   // simulated time of the loop's last look; only for the loop
	lastAt        time.Duration   // time of the last event
	atOnce        int             // number of events at that instant
	notices       []func()        // to be called when mu is unlocked
	trace         Trace
	prefetcher
	spareRings
	spareCalls
	spareResults results // of dials
	report       string  // the reason why the simulation was stopped early
	asleep       bool    // the loop sleeps until wake has a token or something is due
	loopOver     bool    // the loop has begun to end the simulation
	ending       bool    // the contexts of programs have ended, or are about to
	closing      bool    // the loop is to end the simulation
	closed       bool    // the network does not accept calls

	programs int           // number of programs that have not returned
	returned chan struct{} // closed when all programs have returned; nil until they are waited for

	ends         []ending // endings that remain when the network closes; nil before that
	stallWatched bool     // a watchStall is running
	stallCost    int      // cost of all watchStalls so far, in bytes of dumps
	stallDump    []byte   // buffer for a dump
}

// newSim starts a simulation. Outside of a bubble, in real time, settle does nothing,
// and the order of simultaneous events is random.
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
		alarm:       time.NewTimer(time.Hour),
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

// Host returns the host with the given name, and creates it at the first call. Other
// hosts dial it by name: "poet:10000". Every host has its own IPv4 and IPv6 addresses,
// numbered in the order of creation, and the loopback addresses 127.0.0.1 and ::1. Host
// panics if the name is empty, an address or "localhost", ends in a dot, or contains
// white space or one of the characters :/[]%. A number is a name: "80:10000" is port
// 10000 of host "80". Lookups and dials ignore case, so "POET:10000" is the same
// address, and Host also panics if the name differs only in case from that of another
// host.
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
		panic(fmt.Sprintf("simtest: host %q would have the same name as host %q: names are compared without regard to case", name, other.name))
	}
	host := newHost(s, name, len(s.hosts)+1)
	s.hosts[name], s.named[plainName(name)] = host, host
	s.ordered = append(s.ordered, host)
	s.byAddr[host.v4], s.byAddr[host.v6] = host, host
	return host
}

// Now returns the simulated time, which begins with [Config.Start]; after the
// simulation has ended, it is the time of the end.
func (s *Sim) Now() time.Time { return s.origin.Add(s.Elapsed()) }

// Elapsed returns the simulated time since the start; after the simulation has ended,
// it is the total duration.
func (s *Sim) Elapsed() time.Duration {
	if took := s.took.Load(); took >= 0 {
		return time.Duration(took)
	}
	return s.now()
}

// isOver reports whether the simulation has ended and its bubble has gone, or is about
// to. Later callers are outside of the bubble, so they must not get its channels, nor
// wait for them.
func (s *Sim) isOver() bool { return s.took.Load() >= 0 }

// Rand returns a source of random numbers that the seed decides. It may be used from
// any goroutine, but the numbers that two goroutines draw at one instant depend on the
// scheduler, so programs on hosts should use [Host.Rand].
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

// At calls f when d of simulated time has passed since the start, or at once if it has
// already. The call is an event like all others, in a goroutine of its own: f may use
// the network, and wait. Calls that are still due when the contexts of programs end are
// dropped.
func (s *Sim) At(d time.Duration, f func()) {
	if f == nil {
		panic("simtest: At needs a function to call")
	}
	s.control(fmt.Sprint("at ", d, " ", callSite()), func() { s.callLaterLocked(d, f) })
}

// callSite returns the file and line at which its caller was called.
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

// Every calls f repeatedly, every d of simulated time, until the contexts of programs
// end: first when d has passed since the start, or at the next multiple of d. Calls are
// made as by [Sim.At]; a call that takes longer than d does not delay the next. Every
// panics if d is not positive.
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

// unlock releases mu and then calls the notices.
func (s *Sim) unlock() {
	if s.notices == nil {
		s.mu.Unlock()
	} else {
		s.unlockAndNotify()
	}
}

func (s *Sim) unlockAndNotify() {
	notices := s.notices
	s.notices = nil
	s.mu.Unlock()
	for _, notice := range notices {
		notice()
	}
}
