package simtest

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A Chaos injects faults by a schedule drawn from the seed: faults for Duration, and
// then none for Quiet, during which a correct program recovers. [Sim.Quiet] signals the
// beginning of that period. The zero Chaos injects no faults. In any other Chaos, a
// zero field means the value in [DefaultChaos].
//
// A fault lasts for a while and then ends, independently of the others: a route cut by
// two partitions works again when both have ended, and a host taken down by two faults
// is restarted when both are over. The test's own faults are independent of Chaos as
// well: [Sim.Heal] does not heal a partition by Chaos, nor does Chaos heal one by the
// test. Only [Host.Restart] and [Host.Resume] end faults of either origin.
//
// A fault takes effect after everything else at its instant, and is traced like a fault
// of the test. A simulation that fails prints the schedule that was carried out. No
// fault begins after the contexts of programs have ended; see [Config.Run].
//
// The draws about a fault depend only on the seed and on the fault's number, and the
// draws of the network do not depend on faults. So removing a fault from a schedule
// leaves the rest unchanged.
type Chaos struct {
	// Every is the interval of faults: the first fault begins at some time in the first
	// interval, the second in the second, and so on. Zero is 3 s.
	Every time.Duration

	// Longest is the maximum duration of a fault. Short durations are as likely as long
	// ones, down to a 64th of Longest. Zero is 20 s.
	Longest time.Duration

	// AtOnce is the maximum number of faults in effect at once; a fault that would
	// exceed it does not happen. Zero is 3.
	AtOnce int

	// Mix gives the weight of each kind of fault. The zero ChaosMix means that of
	// [DefaultChaos].
	Mix ChaosMix

	// Hosts are the names of the hosts that faults may affect: a partition, a slow link
	// or a reset is between two of them. They may be created later; if one is never
	// created, the test fails when its function has ended. Empty means any host that
	// exists at the time of the fault.
	Hosts []string

	// Duration is the time from the start during which faults happen. At its end all
	// faults have ended. Zero is a minute.
	Duration time.Duration

	// Quiet is the time without faults after that. If the simulation's function or
	// clean-ups have not ended when Quiet is over, the simulation is stopped and fails,
	// as at its [Config.TimeLimit], which also applies. Zero is a minute; if negative,
	// only the TimeLimit applies.
	Quiet time.Duration

	// Schedule, if it is not empty, lists the faults instead of drawing them: one per
	// line, as a failed simulation prints them.
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
	// The first duration is the time at which the fault begins, the last one its
	// length. A fault between hosts has sides of hosts, separated by '|', or by '>' if
	// it is in one direction. A reset is always in both directions. A host's name that
	// is not a plain word is quoted as in Go. Empty lines, and lines that begin with
	// '#', are ignored.
	//
	// With a Schedule, Every, Longest, AtOnce, Mix and Hosts have no effect, and faults may
	// last longer than Duration; the quiet period begins after the last of them. A
	// fault does not happen if one of its hosts does not exist at its time. If a host
	// is never created, the test fails.
	Schedule string
}

// A ChaosMix is the weight of each kind of fault: weight 2 is drawn twice as often as
// weight 1, and weight 0 never. A kind that needs more hosts than there are is not
// drawn.
type ChaosMix struct {
	Split   int // a partition of the hosts into halves
	Isolate int // a partition of one host from all others
	OneWay  int // a partition in one direction, of one host or of half of the hosts
	Bridge  int // a partition into halves, except for one host that reaches both
	Kill    int // a kill of a host's process, until it is restarted; see [Host.Kill]
	Crash   int // a crash of a host, until it is restarted; see [Host.Crash]
	Pause   int // a pause of a host, until it is resumed; see [Host.Pause]
	Restart int // a crash of a host that restarts at once; see [Host.Restart]
	Slow    int // up to 2 s of additional latency between two hosts, one way or both
	Lossy   int // up to 60 % packet loss between two hosts, one way or both
	Reset   int // a reset of the connections between two hosts; see [Sim.Reset]
	Hold    int // a hold of all traffic between two hosts, one way or both; see [Sim.Hold]
	Skew    int // a skew of a host's clock, up to a minute; see [Host.SetSkew]
	Name    int // lookups of a host's name fail as if its name server had failed
}

// DefaultChaos returns a typical mix: a fault every three seconds, of all kinds, at
// most three at once and none longer than 20 s; on any host, for a minute, followed by
// a minute of quiet.
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

// orDefault returns the Chaos with defaults filled in.
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

// weights returns the weights by kind of draw.
func (m *ChaosMix) weights() [drawKinds]int {
	return [drawKinds]int{
		drawSplit: m.Split, drawIsolate: m.Isolate, drawOneWay: m.OneWay, drawBridge: m.Bridge,
		drawKill: m.Kill, drawCrash: m.Crash, drawPause: m.Pause, drawRestart: m.Restart,
		drawSlow: m.Slow, drawLossy: m.Lossy, drawReset: m.Reset, drawHold: m.Hold,
		drawSkew: m.Skew, drawName: m.Name,
	}
}

// maxWeight is the maximum weight. It keeps the sum of all weights from overflowing.
const maxWeight = 1_000_000

// invalid reports the first invalid field.
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

// limit returns the time at which a simulation that is quiet from the given time on is
// stopped: just after Quiet, since the simulation may still end at the very end of
// Quiet. 0 means never.
func (c *Chaos) limit(quiet time.Duration) time.Duration {
	if c.Quiet < 0 {
		return 0
	}
	return timeline.Add(timeline.Add(quiet, c.Quiet), 1)
}
