package simtest

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// A draw about a fault depends only on the seed, the fault's number and the kind of
// draw: adding or removing a fault changes no other fault and no draw of the network.

// A faultDraws is the source of all draws about one fault.
type faultDraws uint64

// drawsOfFault returns the draws about the nth fault of a seed.
func drawsOfFault(seed uint64, n int) faultDraws {
	return faultDraws(mix64.Mix(mix64.Mix(seed, 5), uint64(n)))
}

// An aboutFault is a kind of draw about a fault.
type aboutFault uint64

const (
	aboutTime aboutFault = iota + 1
	aboutKind
	aboutHosts
	aboutSize
	aboutWay
	aboutAmount
	aboutSign
	aboutLength
)

func (d faultDraws) roll(what aboutFault) uint64 { return mix64.Mix(uint64(d), uint64(what)) }

// below draws a number from 0 to n - 1.
func (d faultDraws) below(what aboutFault, n uint64) uint64 {
	high, _ := bits.Mul64(d.roll(what), n)
	return high
}

// halving draws a number from 1 to n. The ranges from n/2 to n, from n/4 to n/2 and so
// on, six in all, are equally likely.
func (d faultDraws) halving(what aboutFault, n uint64) uint64 {
	n >>= d.below(what, 6)
	high, _ := bits.Mul64(mix64.Mix(d.roll(what), 1), n/2+1)
	return max(1, n-high)
}

// duration draws a duration as halving does. Durations of more than a millisecond are
// whole milliseconds.
func (d faultDraws) duration(what aboutFault, longest time.Duration) time.Duration {
	drawn := time.Duration(d.halving(what, uint64(longest)))
	if drawn > time.Millisecond {
		drawn = drawn.Truncate(time.Millisecond)
	}
	return drawn
}

// A drawKind is one of a ChaosMix's kinds of faults.
type drawKind int

const (
	drawSplit drawKind = iota
	drawIsolate
	drawOneWay
	drawBridge
	drawKill
	drawCrash
	drawPause
	drawRestart
	drawSlow
	drawLossy
	drawReset
	drawHold
	drawSkew
	drawName
	drawKinds
)

// drawFields are the names of the fields of a ChaosMix, by kind.
var drawFields = [drawKinds]string{
	"Split", "Isolate", "OneWay", "Bridge", "Kill", "Crash", "Pause", "Restart",
	"Slow", "Lossy", "Reset", "Hold", "Skew", "Name",
}

// faultOf maps each kind to the fault it causes.
var faultOf = [drawKinds]faultKind{
	partitionFault, partitionFault, partitionFault, partitionFault, killFault, crashFault, pauseFault, restartFault,
	slowFault, lossyFault, resetFault, holdFault, skewFault, nameFault,
}

// needs returns the number of hosts that a kind needs.
func (k drawKind) needs() int {
	switch {
	case k == drawBridge:
		return 3
	case faultForms[faultOf[k]].between:
		return 2
	}
	return 1
}

// Upper bounds of faults.
const (
	mostLatency = 2 * time.Second
	mostLoss    = 60 // per cent
	mostSkew    = time.Minute
)

// timeOf returns the time at which the nth fault begins. A fault that would begin
// after Duration does not happen.
func (c *Chaos) timeOf(seed uint64, n int) (at time.Duration, ok bool) {
	if uint64(n) > uint64(timeline.End/c.Every) {
		return 0, false
	}
	more := time.Duration(drawsOfFault(seed, n).below(aboutTime, uint64(c.Every)))
	at = timeline.Add(c.Every*time.Duration(n), more)
	if at > time.Millisecond {
		at = at.Truncate(time.Millisecond)
	}
	return at, at < c.Duration
}

// draw draws the nth fault, which begins at the given time on some of the given hosts.
// ok is false if there are too few hosts for any kind in the mix.
func (c *Chaos) draw(seed uint64, n int, at time.Duration, hosts []string) (f scheduledFault, ok bool) {
	d := drawsOfFault(seed, n)
	kind, ok := c.drawKind(d, len(hosts))
	if !ok {
		return f, false
	}
	f.at, f.kind = at, faultOf[kind]
	f.sides, f.oneWay = d.sides(kind, d.shuffled(hosts))
	switch f.kind {
	case slowFault:
		f.amount = d.duration(aboutAmount, mostLatency)
	case lossyFault:
		f.percent = float64(d.halving(aboutAmount, mostLoss))
	case skewFault:
		f.amount = d.duration(aboutAmount, mostSkew)
		if d.below(aboutSign, 2) == 1 {
			f.amount = -f.amount
		}
	}
	if faultForms[f.kind].lasts {
		f.lasts = min(d.duration(aboutLength, c.Longest), c.Duration-at)
	}
	return f, true
}

// drawKind draws the kind of a fault for the given number of hosts.
func (c *Chaos) drawKind(d faultDraws, hosts int) (drawKind, bool) {
	weights := c.Mix.weights()
	total := uint64(0)
	for kind := range drawKinds {
		if kind.needs() > hosts {
			weights[kind] = 0
		}
		total += uint64(weights[kind])
	}
	if total == 0 {
		return 0, false
	}
	drawn := d.below(aboutKind, total)
	for kind := range drawKinds {
		if drawn < uint64(weights[kind]) {
			return kind, true
		}
		drawn -= uint64(weights[kind])
	}
	return 0, false // not reached
}

// shuffled returns hosts in a drawn order. Adding or removing a host does not change
// the order of the others.
func (d faultDraws) shuffled(hosts []string) []string {
	shuffled := slices.Clone(hosts)
	slices.SortFunc(shuffled, func(a, b string) int {
		return cmp.Or(cmp.Compare(mix64.String(d.roll(aboutHosts), a), mix64.String(d.roll(aboutHosts), b)), cmp.Compare(a, b))
	})
	return shuffled
}

// sides draws the hosts of a fault, from hosts in a drawn order. Each side is sorted.
func (d faultDraws) sides(kind drawKind, hosts []string) (sides [][]string, oneWay bool) {
	split := func(hosts []string, n int) [][]string {
		return [][]string{slices.Sorted(slices.Values(hosts[:n])), slices.Sorted(slices.Values(hosts[n:]))}
	}
	switch kind {
	case drawSplit:
		return split(hosts, len(hosts)/2), false
	case drawIsolate:
		return split(hosts, 1), false
	case drawBridge:
		return split(hosts[1:], len(hosts)/2), false
	case drawOneWay:
		n := 1
		if d.below(aboutSize, 2) == 1 {
			n = len(hosts) / 2
		}
		sides = split(hosts, n)
		if d.below(aboutWay, 2) == 1 {
			slices.Reverse(sides)
		}
		return sides, true
	case drawSlow, drawLossy, drawHold:
		return split(hosts[:2], 1), d.below(aboutWay, 2) == 1
	case drawReset:
		return split(hosts[:2], 1), false
	}
	return [][]string{hosts[:1]}, false
}
