package netem

import (
	"math"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/timeline"
)

// The parameters of CoDel: RFC 8289, sections 4.2 and 4.3.
const (
	codelTarget   = 5 * time.Millisecond   // the acceptable wait of packets
	codelInterval = 100 * time.Millisecond // the time for which all packets may exceed it
)

// codel decides which packets to drop from one queue, by the algorithm of RFC
// 8289, section 5, and with the RFC's names.
type codel struct {
	firstAboveTime time.Duration // time at which packets will have exceeded the target for an interval; 0 while they do not exceed it
	dropNext       time.Duration // time of the next drop
	count          uint64        // of packets dropped since dropping began
	lastCount      uint64        // value of count when dropping last began
	dropping       bool
}

// dequeue removes the next packet from a queue, after dropping packets before
// it. It reports false if none is left.
func (c *codel) dequeue(now time.Duration, from *flowQueue, drop func(queuedPacket)) (queuedPacket, bool) {
	p, ok, okToDrop := c.doDequeue(now, from)
	switch {
	case c.dropping:
		c.dropping = okToDrop
		for c.dropping && now >= c.dropNext {
			drop(p)
			c.count++
			p, ok, okToDrop = c.doDequeue(now, from)
			if c.dropping = okToDrop; okToDrop {
				c.dropNext = c.controlLaw(c.dropNext)
			}
		}
	case okToDrop:
		drop(p)
		p, ok, _ = c.doDequeue(now, from)
		c.begin(now)
	}
	return p, ok
}

// doDequeue removes the next packet and reports whether it may be dropped,
// because the wait has exceeded the target for an interval. The last few
// packets are never dropped.
func (c *codel) doDequeue(now time.Duration, from *flowQueue) (p queuedPacket, ok, okToDrop bool) {
	if from.packets.len() == 0 {
		c.firstAboveTime = 0
		return queuedPacket{}, false, false
	}
	p = from.pop()
	switch {
	case now-p.sent < codelTarget || from.bytes <= from.maxPacket:
		c.firstAboveTime = 0
	case c.firstAboveTime == 0:
		c.firstAboveTime = timeline.Add(now, codelInterval)
	default:
		okToDrop = now >= c.firstAboveTime
	}
	return p, true, okToDrop
}

// begin enters the dropping state, at the rate that last controlled the queue
// if that was recently.
func (c *codel) begin(now time.Duration) {
	c.dropping = true
	delta := c.count - c.lastCount
	c.count = 1
	if delta > 1 && now-c.dropNext < 16*codelInterval {
		c.count = delta
	}
	c.dropNext = c.controlLaw(now)
	c.lastCount = c.count
}

// controlLaw returns the time of the next drop. The time between drops is
// inversely proportional to the square root of their number. (Square roots are
// the same on every platform.)
func (c *codel) controlLaw(t time.Duration) time.Duration {
	const square = uint64(codelInterval) * uint64(codelInterval)
	return timeline.Add(t, time.Duration(math.Sqrt(float64(square/c.count))))
}
