package simtest

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Config says how a simulation runs. The zero Config is that of [Run].
type Config struct {
	// Seed decides in which order happens what happens at one instant on
	// different connections, and what links leave to chance. With 0 the order
	// is the natural one, that of sending. The environment variable
	// SIMTEST_SEED, if it is set, is used instead.
	Seed uint64

	// Start is the clock's time when the simulation begins, from 2000 to 2261.
	// [Sim.Elapsed] and [Event.At] count from it. The zero Time is the bubble's
	// own: midnight UTC of 2000-01-01.
	Start time.Time

	// Link is the link from any host to any other that has none of its own by
	// [Sim.SetLink]: one for each pair and direction, which pairs do not share. What
	// a host shares with all its peers is its access, see [Host.SetAccess]. The zero
	// Link passes everything at once.
	Link netem.Link

	// Window is the size in bytes of a connection's send buffer and of its receive
	// buffer, where a TCP does not have its own: if [netem.TCP.Window] of TCP, or of
	// [Host.SetTCP], is not zero, that is used. Zero are Linux's, which grow. On an ideal
	// stream it is how many bytes the peer may have yet to read, those in flight
	// included, before Write waits, and zero is 1 MiB.
	Window int

	// TCP is how TCP works on all hosts that have none of their own by
	// [Host.SetTCP]: Linux's with [netem.CUBIC], which is the default, or with
	// [netem.Reno], or an ideal stream with [netem.Unlimited].
	TCP netem.TCP

	// TimeLimit is how much simulated time the simulation's function and its
	// clean-ups may take before the simulation is stopped, and the test fails. Zero
	// is a day; below zero there is no limit but that of a bubble's clock, which
	// ends in the year 2262.
	TimeLimit time.Duration

	// Grace is how much simulated time the functions of [Host.Run] and [Host.Go]
	// have to return at the end of the simulation, after their contexts have ended
	// and before the network closes. The network closes earlier if all have
	// returned. Zero is 10 s; below zero there is no grace, and the network closes
	// when the contexts end.
	Grace time.Duration

	// KeepEvents is how many events the trace keeps, the last ones; see
	// [Trace.Events]. A test that fails shows those before the failure. Zero is 20;
	// below zero none are kept, only the digest. The default takes about 1 % of what
	// moving a few bytes takes.
	KeepEvents int

	// Trace, if it is not nil, is told each event when it happens. It must not
	// block, nor use the simulation.
	Trace func(trace.Event)

	// Packets has Trace told of each packet as well, as it leaves and as it arrives, with
	// its headers and what it carries: events of the kinds [trace.Packet] and
	// [trace.Arrive]. Those of acknowledgments that nobody waits for may come later than
	// others of later times. An ideal stream has no packets; the events of its data have
	// the bytes instead. Packets change neither digests nor times; they are not counted
	// by [Trace.Len], and not among [Trace.Events].
	Packets bool

	// Payloads is how many bytes of what has arrived, or was dropped, an event has at
	// most in [trace.Event.Payload]. Zero is none; below zero is all. It changes no
	// digest.
	Payloads int

	// Logger, if it is not nil, is told of faults, of what is done to hosts, at level Info,
	// and of all other events at level Debug, at their simulated times. It is where
	// [Host.Logger] writes. Its handler must not use the simulation.
	Logger *slog.Logger

	// KeepPools leaves pools alone. Without it, two garbage collections before the
	// simulation and two after it empty every sync.Pool of the process, because
	// timers and channels that one simulation leaves in a pool end the process when
	// the next one uses them. They take a millisecond or two on a quiet machine,
	// and longer if much memory is in use or the processors are busy. Things that
	// the standard library starts only once are started before the first
	// simulation. See "Many simulations in one process" in the package's
	// documentation.
	//
	// Set it to run thousands of small simulations of code that has no such pools,
	// or for code with finalizers that use a channel, as a collection runs them.
	KeepPools bool

	// KeepRand leaves the process's randomness alone. Without it, the simulation's
	// seed is used for the global functions of math/rand, for crypto/rand.Reader,
	// with a stream for each host, and on Go 1.26 for the random numbers that the
	// crypto packages draw internally. Afterwards they come from the system again.
	// A parallel test seeds none of these, and [Main] never seeds cryptography.
	KeepRand bool

	// Chaos has faults happen that the seed draws, see [DefaultChaos] and
	// [Sim.Quiet]. The zero Chaos is none.
	Chaos Chaos

	// Schedule is a seed for the order in which goroutines run that could run at
	// once. It takes the layer order of the overlay, see [Overlay], and a simulation
	// with a schedule fails without. Zero is the layer's own order: first come,
	// first served. With an odd schedule each choice is drawn; with an even one,
	// goroutines have priorities that are drawn, of which a few change in the course
	// of the simulation, as in PCT (Burckhardt et al., 2010). Goroutines change
	// when one is blocked, at sync.Mutex.Lock, and at channel operations. The
	// environment variable SIMTEST_SCHEDULE, if it is set, is used instead.
	Schedule uint64

	// Fresh is in how many processes of their own [CheckDeterminism] compares runs, so
	// that nothing counts that a process keeps from one run to the next. Zero is none: two
	// runs in the test's own process. 1 is 2. The environment variable SIMTEST_FRESH, if
	// it is set, is used instead; there, any number but 0 also stands for
	// [Search.Fresh], and with the overlay's layer order, see [Overlay], what packages
	// draw while they are initialized is the same in each process.
	Fresh int

	layers    Layers       // of the overlay
	needs     Layers       // that a replay was made with
	eventFile *eventFile   // nil is none
	untraced  bool         // there is none, whatever SIMTEST_TRACE says
	traceWord string       // added to the file's name
	recording *recording   // of CheckDeterminism
	chaos     *chaosRun    // of one simulation; nil is what Chaos asks for
	replay    *namedReplay // that it runs, in the test's own process; nil is none
	overrides *overrides   // of one simulation; nil for none
	decided   *decisions   // of one simulation, to be noted; nil for none
}

// firstStart is when a bubble's clock begins.
var firstStart = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// defaultWindow is the window of connections, unless they are told otherwise.
const defaultWindow = 1 << 20

// window returns the window of connections.
func (c *Config) window() int {
	if c.Window == 0 {
		return defaultWindow
	}
	return c.Window
}

// orDefault returns what a TCP stands for, with the window of a Config.
func orDefault(tcp netem.TCP, window int) *netem.TCP {
	if tcp.Window == 0 {
		tcp.Window = window
	}
	return &tcp
}

// defaultTimeLimit is how long a simulation takes at most, unless it is told
// otherwise.
const defaultTimeLimit = 24 * time.Hour

// timeLimit returns the limit; 0 is none.
func (c *Config) timeLimit() time.Duration {
	if c.TimeLimit == 0 {
		return defaultTimeLimit
	}
	return max(0, c.TimeLimit)
}

// defaultGrace is how long programs may go on after their contexts have ended,
// unless Config.Grace says otherwise.
const defaultGrace = 10 * time.Second

// grace returns how long programs may go on after their contexts have ended.
func (c *Config) grace() time.Duration {
	if c.Grace == 0 {
		return defaultGrace
	}
	return max(0, c.Grace)
}

// defaultKeepEvents is how many events are kept, unless Config.KeepEvents says
// otherwise.
const defaultKeepEvents = 20

// keepEvents returns how many events are kept.
func (c *Config) keepEvents() int {
	if c.KeepEvents == 0 {
		return defaultKeepEvents
	}
	return max(0, c.KeepEvents)
}

// mustBeValid panics on a config that cannot be.
func (c *Config) mustBeValid() {
	if err := c.Link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Config.Link: %v", err))
	}
	if !c.Start.IsZero() && (c.Start.Before(firstStart) || !c.Start.Before(lastMoment)) {
		panic(fmt.Sprintf("simtest: Config.Start is %v: it must be from %v on, when a bubble's clock begins, and before %v, when it ends", c.Start, firstStart, lastMoment))
	}
	if c.Window < 0 {
		panic(fmt.Sprintf("simtest: Config.Window is %d: it must be 0 (Linux's buffers, which grow; 1 MiB on an ideal stream) or more bytes", c.Window))
	}
	if c.Fresh < 0 || c.Fresh > maxFresh {
		panic(fmt.Sprintf("simtest: Config.Fresh is %d: it is a number of processes, and 0 is the test's own", c.Fresh))
	}
	if err := c.TCP.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Config.TCP: %v", err))
	}
	if err := c.Chaos.invalid(); err != nil {
		panic(fmt.Sprintf("simtest: Config.Chaos.%v", err))
	}
}
