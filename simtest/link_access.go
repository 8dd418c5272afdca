package simtest

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An access is a host's own line to the rest of the world.
type access struct{ up, down accessHop }

// An accessHop is one direction of an access.
type accessHop struct {
	hop
	where string        // what the trace says after the reason of a drop
	last  time.Duration // when the last packet arrives of those sent so far
	after time.Duration // when that of those before the last change does
}

// SetAccess gives the host a line of its own to the rest of the world. All that the
// host sends and receives shares it, whoever the peer is: its rate, its queue, and its
// luck with losses. A packet passes the Up of the sender's access, then the link between
// the two hosts, see [Sim.SetLink], then the Down of the receiver's access, and waits
// in the queue of each. Latencies add up, and the least MTU counts. What a host sends to
// itself does not pass its access. A host has none until it is set.
//
// So four downloads from four servers over an access of 10 Mbit/s take four times as
// long as one, and a ping from a fifth host waits in the queue before the access.
//
// An access can be set at any time, and again. A change holds for what enters the line
// from then on. What is on the line already arrives as it would have, and what is sent
// later does not overtake it, unless it waits in a queue with a discipline that the
// line no longer has. Faults lie between two hosts, and apply where a packet is sent:
// what has left its host arrives, though the network is cut while it is on an access.
// A host that crashes keeps its access. The profile's Lookup does not count.
//
// On an ideal stream, see [netem.Unlimited], packets are never dropped by a queue. They
// wait before each line for their turn, a packet of each stream at a time. What a line
// loses is sent again on that line, when three later packets have passed it or the timer
// expires; both count the whole round trip. The queues of Up and of the link hold up
// the writer, see [netem.Link.Ahead]; before Down there is room for all that the window
// lets through.
//
// SetAccess panics on an invalid profile, see [netem.Profile.Validate], and on one
// with a [netem.Pace]: a Pace is each connection's own and not shared, so it belongs to
// the links between hosts.
func (h *Host) SetAccess(profile netem.Profile) {
	if err := profile.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Host.SetAccess of %q: %v", h.name, err))
	}
	if profile.Up.Pace != (netem.Pace{}) || profile.Down.Pace != (netem.Pace{}) {
		panic(fmt.Sprintf("simtest: Host.SetAccess of %q: an access has no Pace, for that is not shared: set it by Sim.SetLink or Sim.SetDefaultLink", h.name))
	}
	key := fmt.Sprintf("access %q %s %s", h.name, linkKey(profile.Up), linkKey(profile.Down))
	h.sim.control(key, func() { h.setAccessLocked(profile.Up, profile.Down) })
}

func (h *Host) setAccessLocked(up, down netem.Link) {
	s := h.sim
	s.joinBottleneckLocked(up.Bottleneck)
	s.joinBottleneckLocked(down.Bottleneck)
	s.disturbLocked(s.ordered, func() {
		if h.access == nil {
			h.access = &access{}
			seed := mix64.String(mix64.Mix(s.seed, uint64(h.number)), h.name)
			h.access.up.where, h.access.down.where = ", "+h.name+"'s Up", ", "+h.name+"'s Down"
			h.access.up.line.Init(&noLink, mix64.Mix(seed, 1))
			h.access.down.line.Init(&noLink, mix64.Mix(seed, 2))
			s.overrideLocked(&h.access.up.line, lineName{from: h.name})
			s.overrideLocked(&h.access.down.line, lineName{to: h.name})
		}
		h.access.up.changeLocked(up)
		h.access.down.changeLocked(down)
	})
	s.faultLocked("access", h.name, "")
	h.queueChangedLocked(nil)
}

func (h *accessHop) changeLocked(link netem.Link) {
	h.after = h.last
	h.setLinkLocked(link)
}

// arrives notes that a packet arrives at the end of the line, and returns when,
// which is after those that were sent before the last change.
func (h *accessHop) arrives(at time.Duration) time.Duration {
	at = max(at, h.after)
	h.last = max(h.last, at)
	return at
}
