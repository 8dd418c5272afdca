package simtest

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Config configures a simulation. [Run] uses the zero Config.
type Config struct {
	// Seed decides the order of events at one instant on different connections, and all
	// random effects of links. With 0, events at one instant are in the order of
	// sending. The environment variable SIMTEST_SEED overrides it.
	Seed uint64

	// Start is the clock's time when the simulation begins, from 2000 to 2261.
	// [Sim.Elapsed] and [trace.Event.At] count from it. The zero Time is the bubble's
	// own: midnight UTC of 2000-01-01.
	Start time.Time

	// Link is the link from any host to any other for which [Sim.SetLink] has not set
	// one. Each direction of each pair of hosts has a link of its own. A line that all
	// traffic of a host shares is its access; see [Host.SetAccess]. The zero Link
	// passes everything at once.
	Link netem.Link

	// Window is the size in bytes of a connection's send buffer and of its receive
	// buffer, unless [netem.TCP.Window] is set in TCP or by [Host.SetTCP]. Zero selects
	// Linux's buffers, which grow. On an ideal stream, Window is the number of bytes
	// that can be in flight or unread by the peer before Write waits; zero is 1 MiB.
	Window int

	// TCP configures TCP on all hosts for which [Host.SetTCP] is not called: Linux's
	// TCP with [netem.CUBIC], the default, or with [netem.Reno], or ideal streams with
	// [netem.Unlimited].
	TCP netem.TCP

	// TimeLimit is the simulated time that the simulation's function and its clean-ups
	// may take. After that, the simulation is stopped and the test fails. Zero is a
	// day; if negative, the only limit is the end of a bubble's clock in the year 2262.
	TimeLimit time.Duration

	// Grace is the simulated time that the functions of [Host.Run] and [Host.Go] have
	// to return at the end of the simulation, after their contexts have ended and
	// before the network closes. The network closes as soon as all have returned. Zero
	// is 10 s; if negative, there is no grace, and the network closes when the contexts
	// end.
	Grace time.Duration

	// KeepEvents is the number of latest events that the trace keeps; see
	// [Trace.Events]. A failing test shows the last events before the failure. Zero is
	// 20; if negative, only the digest is kept. The default adds 1 to 2 % to the time
	// of moving a few bytes.
	KeepEvents int

	// Trace, if it is not nil, is called for each event when it happens. It must not
	// block or use the simulation.
	Trace func(trace.Event)

	// Packets makes Trace receive each packet too, when it leaves and when it arrives,
	// with headers and payload: events of the kinds [trace.Packet] and [trace.Arrive].
	// Events of acknowledgements without visible effect may be delivered after events
	// with later times. An ideal stream has no packets; its data events have the bytes
	// instead. Packets change neither digests nor times; they are not counted by
	// [Trace.Len] and not among [Trace.Events].
	Packets bool

	// Payloads is the maximum size in bytes of [trace.Event.Payload], which holds the
	// bytes that arrived or were dropped. Zero is none; if negative, there is no
	// maximum. It does not change digests.
	Payloads int

	// Logger, if it is not nil, logs faults and operations on hosts at level Info and
	// all other events at level Debug, with their simulated times. [Host.Logger] writes
	// to it. Its handler must not use the simulation.
	Logger *slog.Logger

	// KeepPools leaves pools alone. Without it, two garbage collections before the
	// simulation and two after it empty every sync.Pool of the process, because timers
	// and channels that one simulation leaves in a pool crash the process when the next
	// one uses them. The collections take a millisecond or two on an idle machine, and
	// longer if much memory is in use or the processors are busy. Background work that
	// the standard library starts only once is started before the first simulation. See
	// "Many simulations in one process" in the package's documentation.
	//
	// Set KeepPools to run thousands of small simulations of code without such pools,
	// or for code with finalizers that use a channel, since a collection runs
	// finalizers.
	KeepPools bool

	// KeepRand leaves the process's randomness alone. Without it, the simulation's
	// seed is used for the global functions of math/rand, for crypto/rand.Reader,
	// with a stream for each host, and on Go 1.26 for the random numbers that the
	// crypto packages draw internally. Afterwards random numbers come from the system
	// again. A parallel test seeds none of these, and [Main] never seeds cryptography.
	// The overlay's layer order, see [Overlay], draws all of them from the seed in any
	// case.
	KeepRand bool

	// Chaos injects faults that are drawn from the seed; see [DefaultChaos] and
	// [Sim.Quiet]. The zero Chaos injects no faults.
	Chaos Chaos

	// Schedule is a seed for the order of goroutines that could run at the same time.
	// It requires the order layer of the overlay (see [Overlay]); without it a
	// simulation with a schedule fails. Zero is the layer's own order: first come,
	// first served. With an odd schedule each choice is drawn; with an even one,
	// goroutines have drawn priorities, a few of which change during the simulation, as
	// in PCT (Burckhardt et al., 2010). Goroutines switch when one blocks, at Lock and
	// RLock of mutexes, and at channel operations. The environment variable
	// SIMTEST_SCHEDULE overrides it.
	Schedule uint64

	// Fresh is the number of separate processes in which [CheckDeterminism] compares
	// runs, so that state which a process keeps from one run to the next does not
	// matter. Zero means two runs in the test's own process; 1 is treated as 2. The
	// environment variable SIMTEST_FRESH overrides it; any number other than 0 also
	// turns on [Search.Fresh]. With the overlay's order layer (see [Overlay]), random
	// numbers that packages draw during initialization are then the same in each
	// process.
	Fresh int

	layers    Layers       // of the overlay
	needs     Layers       // layers that a replay was made with
	eventFile *eventFile   // nil is none
	untraced  bool         // no trace, whatever SIMTEST_TRACE says
	traceWord string       // added to the trace file's name
	recording *recording   // of CheckDeterminism
	chaos     *chaosRun    // of one simulation; if nil, Chaos applies
	replay    *namedReplay // the replay that runs in the test's own process; nil for none
	overrides *overrides   // of one simulation; nil for none
	decided   *decisions   // records the decisions of one simulation; nil for none
}

// firstStart is the time at which a bubble's clock begins.
var firstStart = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// defaultWindow is the default window of ideal streams.
const defaultWindow = 1 << 20

// window returns the window of connections.
func (c *Config) window() int {
	if c.Window == 0 {
		return defaultWindow
	}
	return c.Window
}

// orDefault returns a TCP with defaults filled in, and with the window of a Config.
func orDefault(tcp netem.TCP, window int) *netem.TCP {
	if tcp.Window == 0 {
		tcp.Window = window
	}
	return &tcp
}

// defaultTimeLimit is the default of Config.TimeLimit.
const defaultTimeLimit = 24 * time.Hour

// timeLimit returns the limit; 0 is none.
func (c *Config) timeLimit() time.Duration {
	if c.TimeLimit == 0 {
		return defaultTimeLimit
	}
	return max(0, c.TimeLimit)
}

// defaultGrace is the default of Config.Grace.
const defaultGrace = 10 * time.Second

// grace returns the time that programs may run after their contexts have ended.
func (c *Config) grace() time.Duration {
	if c.Grace == 0 {
		return defaultGrace
	}
	return max(0, c.Grace)
}

// defaultKeepEvents is the default of Config.KeepEvents.
const defaultKeepEvents = 20

// keepEvents returns the number of events that are kept.
func (c *Config) keepEvents() int {
	if c.KeepEvents == 0 {
		return defaultKeepEvents
	}
	return max(0, c.KeepEvents)
}

// mustBeValid panics on an invalid config.
func (c *Config) mustBeValid() {
	if err := c.Link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Config.Link: %v", err))
	}
	if !c.Start.IsZero() && (c.Start.Before(firstStart) || !c.Start.Before(lastMoment)) {
		panic(fmt.Sprintf("simtest: Config.Start is %v: it must be from %v on, when a bubble's clock begins, and before %v, when it ends", c.Start, firstStart, lastMoment))
	}
	if c.Window < 0 {
		panic(fmt.Sprintf("simtest: Config.Window is %d: it must be a positive number of bytes, or 0 (Linux's buffers, which grow; 1 MiB on an ideal stream)", c.Window))
	}
	if c.Fresh < 0 || c.Fresh > maxFresh {
		panic(fmt.Sprintf("simtest: Config.Fresh is %d: it must be a number of processes up to %d, or 0 for the test's own process", c.Fresh, maxFresh))
	}
	if err := c.TCP.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Config.TCP: %v", err))
	}
	if err := c.Chaos.invalid(); err != nil {
		panic(fmt.Sprintf("simtest: Config.Chaos.%v", err))
	}
}
