package simtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Partition cuts the network between hosts on different sides: what they send each
// other is lost. A single side is cut off from all other existing hosts. Cuts
// accumulate until they are healed. Partition panics if there is no side and, like all
// faults, on an unknown host.
//
// Packets in flight still arrive. After the network is healed, a stream continues when
// TCP's timer next retransmits the lost data; if the network is not healed in time,
// writers and dials get ETIMEDOUT. Over TCP, readers get ETIMEDOUT too, through
// keep-alive probes. On an ideal stream, an end that only reads does not notice, nor
// does a writer whose window was full before.
func (s *Sim) Partition(sides ...[]string) {
	if len(sides) == 0 {
		panic(`simtest: Partition needs at least one side, such as []string{"poet"}`)
	}
	s.mustBeHosts("Partition", slices.Concat(sides...)...)
	s.control(fmt.Sprintf("partition %q", sides), func() {
		hosts := make([][]*Host, len(sides))
		for i, side := range sides {
			hosts[i] = s.hostsLocked(side)
		}
		if len(sides) == 1 {
			hosts = append(hosts, s.othersLocked(hosts[0]))
			sides = append(sides, namesOf(hosts[1]))
		}
		s.disturbLocked(slices.Concat(hosts[:max(1, len(hosts)-1)]...), func() { s.cutSidesLocked(hosts) })
		s.faultLocked("partition", describeSides(sides), "")
	})
}

// PartitionOneWay cuts the network in one direction only: everything sent by a host in
// from to a host in to is lost, but nothing in the opposite direction.
func (s *Sim) PartitionOneWay(from, to []string) {
	s.mustBeHosts("PartitionOneWay", slices.Concat(from, to)...)
	s.control(fmt.Sprintf("partition %q from %q", to, from), func() {
		cut := s.hostsLocked(from)
		s.disturbLocked(cut, func() { s.cutOneWayLocked(cut, s.hostsLocked(to)) })
		s.faultLocked("partition", describeSides([][]string{from}), describeSides([][]string{to}))
	})
}

func describeSides(sides [][]string) string {
	var all []string
	for _, side := range sides {
		all = append(all, strings.Join(side, ","))
	}
	return strings.Join(all, "|")
}

func namesOf(hosts []*Host) (names []string) {
	for _, h := range hosts {
		names = append(names, h.name)
	}
	return names
}

// Heal ends partitions: all of them, or those between the named hosts and any others.
// It does not end a [Chaos]'s partitions.
func (s *Sim) Heal(hosts ...string) {
	s.mustBeHosts("Heal", hosts...)
	s.control(fmt.Sprintf("heal %q", hosts), func() {
		if healed := s.hostsLocked(hosts); len(hosts) > 0 {
			s.mendLocked(healed)
		} else {
			s.mendLocked(s.ordered)
		}
		s.faultLocked("heal", strings.Join(hosts, ","), "")
		s.openedLocked()
	})
}

// openedLocked is called when a path may work again: it sends the window updates that
// could not be sent before.
func (s *Sim) openedLocked() {
	for _, h := range s.ordered {
		for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
			if c.windowProbed {
				c.scheduleWindowUpdateLocked()
			}
		}
	}
}

// Hold keeps back what two hosts send each other from now on, until [Sim.Release].
// Nothing is lost. Packets in flight still arrive.
func (s *Sim) Hold(a, b string) {
	s.mustBeHosts("Hold", a, b)
	s.control(fmt.Sprintf("hold %q %q", a, b), func() {
		s.disturbNamedLocked([]string{a}, func() {
			for _, r := range []*route{s.routeLocked(a, b), s.routeLocked(b, a)} {
				r.heldByTest = true
				r.beginHold()
			}
		})
		s.faultLocked("hold", a, b)
	})
}

// Release ends a [Sim.Hold]. Unless a [Chaos] also holds them, held packets arrive at
// once, in the order of sending, or at their regular time if that is later.
func (s *Sim) Release(a, b string) {
	s.mustBeHosts("Release", a, b)
	s.control(fmt.Sprintf("release %q %q", a, b), func() {
		s.faultLocked("release", a, b)
		for _, key := range [][2]string{{a, b}, {b, a}} {
			r := s.routeLocked(key[0], key[1])
			r.heldByTest = false
			s.releaseLocked(r)
		}
	})
}

// releaseLocked delivers the packets that a route holds, unless another hold is still
// in effect.
func (s *Sim) releaseLocked(r *route) {
	if r.heldByTest || r.chaos != nil && r.chaos.holds > 0 {
		return
	}
	held := r.waiting
	r.held, r.waiting = false, nil
	s.releases++
	for _, w := range held {
		if w.at <= s.now() {
			w.group = s.releases // late packets keep their order, whatever the seed
		}
		s.scheduleLocked(w.at, &w.event)
	}
}
