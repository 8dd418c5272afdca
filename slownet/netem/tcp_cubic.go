package netem

import (
	"math/bits"
	"time"
)

// CUBIC's constants, in Linux's fixed point: beta is 717/1024 and C is 410/1024
// for windows in segments and times in seconds.
const (
	cubicUnit = 1024
	cubicBeta = 717
	cubicC    = 410
)

// HyStart leaves slow start when a train of acknowledgements spaced by at most
// hystartGap spans half of the shortest round trip, or when the shortest of a
// round's first eight samples exceeds the connection's shortest round trip by
// an eighth, within bounds.
const (
	hystartWindow   = 16
	hystartSamples  = 8
	hystartGap      = 2 * time.Millisecond
	hystartMinDelay = 4 * time.Millisecond
	hystartMaxDelay = 16 * time.Millisecond
)

// A cubic is the state of the CUBIC algorithm (RFC 9438). Its arithmetic is in
// integers, so that it is the same on every platform.
type cubic struct {
	delay   time.Duration // shortest round trip of a data segment (the handshake does not count); 0 is none
	hystart hystart
	growth  *cubicGrowth // nil until the window has left slow start
}

// A cubicGrowth is CUBIC's state after slow start.
type cubicGrowth struct {
	epoch    time.Duration // time at which this epoch of growth began; 0 for none
	maximum  int           // window before the last reduction, W_max
	origin   int           // window at the inflection point
	k        int64         // time to the inflection point, in seconds / 1024
	count    int           // acknowledged segments per growth by one
	acked    int           // segments acknowledged and not counted in friendly yet
	friendly int           // the window that Reno would have, W_est
	last     int           // window when count was last computed
	lastAt   time.Duration
}

// A hystart detects the end of slow start.
type hystart struct {
	found    bool
	roundEnd int64 // sequence number
	start    time.Duration
	train    *ackTrain // nil until the window reaches hystartWindow
}

// An ackTrain is HyStart's state of a round's acknowledgements.
type ackTrain struct {
	lastAck  time.Duration // of the train
	shortest time.Duration // round trip
	samples  int
}

// reset forgets the path's properties after a timeout.
func (c *cubic) reset() {
	if c.growth != nil {
		*c.growth = cubicGrowth{}
	}
	*c = cubic{growth: c.growth, hystart: hystart{train: c.hystart.train}}
}

// beyond returns the state after slow start, and creates it if there is none.
func (c *cubic) beyond() *cubicGrowth {
	if c.growth == nil {
		c.growth = &cubicGrowth{}
	}
	return c.growth
}

// epoch returns the time at which this epoch of growth began, or 0.
func (c *cubic) epoch() time.Duration {
	if c.growth == nil {
		return 0
	}
	return c.growth.epoch
}

// reduced returns the slow start threshold after a loss.
func (c *cubic) reduced(window int) int {
	g := c.beyond()
	threshold := max(2, window*cubicBeta/cubicUnit)
	g.epoch = 0
	if window < g.maximum { // fast convergence: leave room for new flows
		window = window * (cubicUnit + cubicBeta) / (2 * cubicUnit)
	}
	g.maximum = window
	return threshold
}

// increment returns the number of acknowledged segments after which the window
// grows by one.
func (c *cubic) increment(now time.Duration, window, acked int) int {
	return c.beyond().increment(now, c.delay, window, acked)
}

func (c *cubicGrowth) increment(now, delay time.Duration, window, acked int) int {
	c.acked += acked
	if c.epoch != 0 && c.last == window && now-c.lastAt <= time.Second/32 {
		return c.count
	}
	c.last, c.lastAt = window, now
	if c.epoch == 0 {
		c.begin(now, window, acked)
	}
	if target := c.target(now + delay); target > window {
		c.count = window / (target - window)
	} else {
		c.count = 100 * window
	}
	if c.maximum == 0 {
		c.count = min(c.count, 20)
	}
	perSegment := window * 15 / 8 // 3 (1 + beta) / (1 - beta) / 9, as fast as Reno
	for ; c.acked > perSegment; c.acked -= perSegment {
		c.friendly++
	}
	if c.friendly > window {
		c.count = min(c.count, window/(c.friendly-window))
	}
	c.count = max(c.count, 2)
	return c.count
}

// begin begins an epoch.
func (c *cubicGrowth) begin(now time.Duration, window, acked int) {
	c.epoch = max(now, 1)
	c.acked, c.friendly = acked, window
	c.k, c.origin = 0, window
	if c.maximum > window {
		c.k = int64(cubeRoot(uint64(c.maximum-window) * ((1 << 40) / cubicC)))
		c.origin = c.maximum
	}
}

// target returns the window that the cubic function calls for at a time.
func (c *cubicGrowth) target(at time.Duration) int {
	t := int64((at - c.epoch) / (time.Second / cubicUnit))
	distance := t - c.k
	if distance < 0 {
		distance = -distance
	}
	const far = 1 << 17 // two minutes: by then the window exceeds any bound
	distance = min(distance, far)
	delta := int(cubicC * distance * distance * distance >> 40)
	if t < c.k {
		return c.origin - delta
	}
	return c.origin + delta
}

// idle excludes an idle period from the epoch.
func (c *cubic) idle(now, since time.Duration) {
	if g := c.growth; g != nil && g.epoch != 0 {
		g.epoch = min(now, g.epoch+now-since)
	}
}

// measure processes a round trip, and reports whether slow start is over.
func (c *cubic) measure(now, roundTrip time.Duration, window int, slow bool, una, nxt int64) bool {
	if epoch := c.epoch(); epoch != 0 && now-epoch < time.Second {
		return false // a sample right after a recovery is meaningless
	}
	if c.delay == 0 || roundTrip < c.delay {
		c.delay = roundTrip
	}
	if c.hystart.found || !slow {
		return false
	}
	if una > c.hystart.roundEnd {
		c.hystart.begin(now, nxt)
	}
	c.hystart.found = window >= hystartWindow && c.hystart.isOver(now, roundTrip, c.delay)
	return c.hystart.found
}

// begin begins a round.
func (h *hystart) begin(now time.Duration, nxt int64) {
	h.roundEnd, h.start = nxt, now
	if h.train != nil {
		*h.train = ackTrain{lastAck: now, shortest: Never}
	}
}

// isOver processes a round trip, and reports whether slow start is over.
func (h *hystart) isOver(now, roundTrip, delay time.Duration) bool {
	if h.train == nil {
		h.train = &ackTrain{lastAck: h.start, shortest: Never}
	}
	over, t := false, h.train
	if now-t.lastAck <= hystartGap {
		t.lastAck = now
		over = now-h.start > (delay+time.Millisecond)/2
	}
	t.shortest = min(t.shortest, roundTrip)
	if t.samples < hystartSamples {
		t.samples++
		return over
	}
	return over || t.shortest > delay+max(hystartMinDelay, min(delay/8, hystartMaxDelay))
}

// cubeRoot returns the integer part of the cube root.
func cubeRoot(x uint64) uint64 {
	if x == 0 {
		return 0
	}
	root := uint64(1) << ((bits.Len64(x) + 2) / 3) // not below the root
	for {
		next := (2*root + x/(root*root)) / 3
		if next >= root {
			return root
		}
		root = next
	}
}
