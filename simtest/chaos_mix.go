package simtest

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Chaos draws a schedule of faults from the seed, and has them happen: first
// for Duration, and then it leaves the simulation in peace for Quiet, in which a
// correct program recovers. [Sim.Quiet] tells when that begins. The zero Chaos is
// none. In any other, each field that is zero is that of [DefaultChaos].
//
// A fault lasts for a while, and then it ends, whatever else is in effect: what
// two partitions cut is cut until both have ended, and a host that is down by two
// faults is restarted when both are over. What the test does itself and what Chaos
// does are told apart as well: [Sim.Heal] does not heal a partition of Chaos', nor
// does Chaos heal one of the test's. Only a [Host.Restart] and a [Host.Resume] end
// both.
//
// A fault takes effect after everything else at its instant, and is traced, like the
// test's own. A simulation that fails tells the schedule that
// was carried out. No fault begins after the contexts of programs have ended, see
// [Config.Run].
//
// What is drawn about a fault depends on the seed and on the fault's number, and
// nothing that the network draws depends on it. So a schedule of which a fault was
// taken away is the rest of it.
type Chaos struct {
	// Every is the time for one fault: the first one begins at some time before
	// Every has passed, the second one before twice as much has, and so on.
	// Zero is 3 s.
	Every time.Duration

	// Longest is how long a fault lasts at most. Short ones are as likely as long
	// ones: the shortest last a 64th of it. Zero is 20 s.
	Longest time.Duration

	// AtOnce is how many faults are in effect at once, at most; one that would
	// be too many does not happen. Zero is 3.
	AtOnce int

	// Mix says which faults there are, and how often each is drawn. The zero
	// ChaosMix is that of [DefaultChaos].
	Mix ChaosMix

	// Hosts are the names of the hosts that may be hit: a partition, a slow link
	// or a reset is between two of them. They may be created later; one that is
	// never created fails the test when its function has ended. Empty is any host
	// that exists at the time of the fault.
	Hosts []string

	// Duration is how long there are faults, from the start. All have ended by
	// then. Zero is a minute.
	Duration time.Duration

	// Quiet is how long there are none after that. A simulation whose function or
	// clean-ups have not ended when Quiet is over is stopped and fails, as at its
	// [Config.TimeLimit], which holds as well. Zero is a minute; below zero only
	// the TimeLimit holds.
	Quiet time.Duration

	// Schedule, if it is not empty, says which faults there are, so that none are
	// drawn: a line for each, as a simulation that has failed tells them.
	//
	//	fault 12.5s partition a,b | c for 3s
	//	fault 12.5s kill a for 3s
	//	fault 12.5s crash a,b for 3s
	//	fault 12.5s pause a for 3s
	//	fault 12.5s restart a
	//	fault 12.5s slow a | b by 200ms for 3s
	//	fault 12.5s lossy a > b by 10% for 3s
	//	fault 12.5s reset a | b
	//	fault 12.5s hold a | b for 3s
	//	fault 12.5s skew a by -200ms for 3s
	//	fault 12.5s name a for 3s
	//
	// The first duration is when the fault begins, the last one how long it lasts.
	// What is between hosts has sides of them, with '|' between them; it may be in
	// one direction, with '>', but for a reset. A name of a host that is no plain
	// word is quoted as in Go. Empty lines count for nothing, and lines that begin
	// with '#'.
	//
	// With a Schedule, Every, Longest, AtOnce, Mix and Hosts count for nothing, and
	// faults may last for longer than Duration, until the last of which it is not
	// quiet. A fault of hosts that do not all exist at its time does not happen. A
	// host that is never created fails the test.
	Schedule string
}

// A ChaosMix says how often each kind of fault is drawn: one of weight 2 twice as
// often as one of weight 1, and one of weight 0 never. A kind that needs more hosts
// than there are is not drawn.
type ChaosMix struct {
	Split   int // a partition of the hosts into halves
	Isolate int // a partition of one host from all others
	OneWay  int // a partition in one direction, of one host or of half of them
	Bridge  int // a partition into halves, but for one host that reaches both
	Kill    int // the process of a host, until it is restarted; see [Host.Kill]
	Crash   int // of a host, until it is restarted; see [Host.Crash]
	Pause   int // of a host, until it is resumed; see [Host.Pause]
	Restart int // a crash of a host that is back at once; see [Host.Restart]
	Slow    int // up to 2 s more of latency between two hosts, one way or both
	Lossy   int // up to 60 % of packets lost between two hosts, one way or both
	Reset   int // of the connections between two hosts; see [Sim.Reset]
	Hold    int // of what two hosts send each other, one way or both; see [Sim.Hold]
	Skew    int // of a host's clock, up to a minute; see [Host.SetSkew]
	Name    int // lookups of a host's name fail, as if its name server did
}

// DefaultChaos returns a usual mix: a fault every three seconds, all kinds of
// them, three at once at most and none longer than 20 s; on any host, for a minute,
// and then a minute of quiet.
func DefaultChaos() Chaos {
	return Chaos{
		Every:   3 * time.Second,
		Longest: 20 * time.Second,
		AtOnce:  3,
		Mix: ChaosMix{
			Split: 2, Isolate: 2, OneWay: 2, Bridge: 1,
			Kill: 2, Crash: 2, Pause: 2, Restart: 1,
			Slow: 2, Lossy: 2, Reset: 2, Hold: 1,
			Skew: 1, Name: 1,
		},
		Duration: time.Minute,
		Quiet:    time.Minute,
	}
}

// isZero reports whether there is no chaos.
func (c *Chaos) isZero() bool {
	return c.Every == 0 && c.Longest == 0 && c.AtOnce == 0 && c.Mix == ChaosMix{} && len(c.Hosts) == 0 &&
		c.Duration == 0 && c.Quiet == 0 && c.Schedule == ""
}

// orDefault returns what the Chaos stands for.
func (c Chaos) orDefault() Chaos {
	usual := DefaultChaos()
	if c.Every == 0 {
		c.Every = usual.Every
	}
	if c.Longest == 0 {
		c.Longest = usual.Longest
	}
	if c.AtOnce == 0 {
		c.AtOnce = usual.AtOnce
	}
	if c.Mix == (ChaosMix{}) {
		c.Mix = usual.Mix
	}
	if c.Duration == 0 {
		c.Duration = usual.Duration
	}
	if c.Quiet == 0 {
		c.Quiet = usual.Quiet
	}
	return c
}

// weights returns the weights of a mix by kind of draw.
func (m *ChaosMix) weights() [drawKinds]int {
	return [drawKinds]int{
		drawSplit: m.Split, drawIsolate: m.Isolate, drawOneWay: m.OneWay, drawBridge: m.Bridge,
		drawKill: m.Kill, drawCrash: m.Crash, drawPause: m.Pause, drawRestart: m.Restart,
		drawSlow: m.Slow, drawLossy: m.Lossy, drawReset: m.Reset, drawHold: m.Hold,
		drawSkew: m.Skew, drawName: m.Name,
	}
}

// maxWeight bounds a weight, so that their sum is a number.
const maxWeight = 1_000_000

// invalid reports the first field that cannot be.
func (c *Chaos) invalid() error {
	mustBe := func(field string, value any, what string) error {
		return fmt.Errorf("%s is %v: it must be %s", field, value, what)
	}
	switch {
	case c.Every < 0:
		return mustBe("Every", c.Every, "more than 0, or 0 for 3 s")
	case c.Longest < 0:
		return mustBe("Longest", c.Longest, "more than 0, or 0 for 20 s")
	case c.AtOnce < 0:
		return mustBe("AtOnce", c.AtOnce, "1 or more, or 0 for 3")
	case c.Duration < 0:
		return mustBe("Duration", c.Duration, "more than 0, or 0 for a minute")
	}
	for kind, weight := range c.Mix.weights() {
		if weight < 0 || weight > maxWeight {
			return mustBe("Mix."+drawFields[kind], weight, fmt.Sprintf("from 0, never, to %d", maxWeight))
		}
	}
	for _, name := range c.Hosts {
		if err := checkHostName(name); err != nil {
			return mustBe("Hosts", fmt.Sprintf("%q", c.Hosts), fmt.Sprintf("names of hosts, and %q cannot be one", name))
		}
	}
	if _, err := parseSchedule(c.Schedule); err != nil {
		return fmt.Errorf("%s: %w", "Schedule", err)
	}
	return nil
}

// limit returns when a simulation is stopped that is quiet from a time on: right
// after Quiet, as at its very end it may still end. 0 is never.
func (c *Chaos) limit(quiet time.Duration) time.Duration {
	if c.Quiet < 0 {
		return 0
	}
	return timeline.Add(timeline.Add(quiet, c.Quiet), 1)
}
