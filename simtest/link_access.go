package simtest

import (
	"fmt"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// An access is a host's access line, which all its traffic shares.
type access struct{ up, down accessHop }

// An accessHop is one direction of an access.
type accessHop struct {
	hop
	where string        // text that the trace adds to the reason of a drop
	last  time.Duration // arrival time of the last packet sent so far
	after time.Duration // arrival time of the last packet sent before the last change
}

// SetAccess gives the host an access line. Everything that the host sends and receives,
// from and to any peer, shares its rate, its queue, and its random losses. A packet
// crosses the Up of the sender's access, then the link between the two hosts (see
// [Sim.SetLink]), then the Down of the receiver's access, and waits in the queue of
// each. Latencies add up, and the smallest MTU applies. Traffic from a host to itself
// does not cross its access. By default a host has no access.
//
// So four downloads from four servers over an access of 10 Mbit/s take four times as
// long as one, and a ping from a fifth host waits in the access line's queue.
//
// An access can be set and changed at any time. A change applies to packets that enter
// the line from then on. Packets already on the line arrive as before, and later ones
// do not overtake them, unless they wait in a queue with a discipline that the line no
// longer has. Faults lie between two hosts and apply when a packet is sent: a packet
// that has left its host arrives even if the network is cut while it is on an access
// line. A host that crashes keeps its access. The profile's Lookup has no effect.
//
// Packets of an ideal stream (see [netem.Unlimited]) are never dropped by a queue. They
// wait for their turn at each line, one packet of each stream at a time. A packet lost
// on a line is retransmitted on that line, when three later packets have crossed it or
// the timer expires; both take the whole round trip into account. The queues of Up and
// of the link block the writer (see [netem.Link.Ahead]); the queue of Down has room for
// everything that the window allows.
//
// SetAccess panics on an invalid profile (see [netem.Profile.Validate]), and on one
// with a [netem.Pace]: a Pace applies to each connection separately, so it belongs to
// the links between hosts.
func (h *Host) SetAccess(profile netem.Profile) {
	if err := profile.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: Host.SetAccess of %q: %v", h.name, err))
	}
	if profile.Up.Pace != (netem.Pace{}) || profile.Down.Pace != (netem.Pace{}) {
		panic(fmt.Sprintf("simtest: Host.SetAccess of %q: an access cannot have a Pace, which is not shared: set it with Sim.SetLink or Sim.SetDefaultLink", h.name))
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

// arrives records the arrival of a packet at the end of the line, and returns its time:
// not before the arrival of packets that were sent before the last change.
func (h *accessHop) arrives(at time.Duration) time.Duration {
	at = max(at, h.after)
	h.last = max(h.last, at)
	return at
}
