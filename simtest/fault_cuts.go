package simtest

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A hostSet is a set of hosts, with a bit for each host at its number. Hosts that are cut
// off from the same hosts share a set, so a set must not change once a host refers to
// it.
type hostSet struct{ words []uint64 }

func setOf(hosts []*Host) *hostSet {
	s := &hostSet{}
	for _, h := range hosts {
		word := h.number / 64
		if word >= len(s.words) {
			s.words = append(s.words, make([]uint64, word+1-len(s.words))...)
		}
		s.words[word] |= 1 << (h.number % 64)
	}
	return s
}

// has reports whether the host is in the set. A nil set is empty.
func (s *hostSet) has(h *Host) bool {
	return s != nil && h.number/64 < len(s.words) && s.words[h.number/64]>>(h.number%64)&1 != 0
}

// combine applies f to the words of two sets.
func (s *hostSet) combine(other *hostSet, f func(a, b uint64) uint64) *hostSet {
	result := &hostSet{make([]uint64, max(len(s.words), len(other.words)))}
	copy(result.words, s.words)
	for i := range result.words {
		var b uint64
		if i < len(other.words) {
			b = other.words[i]
		}
		result.words[i] = f(result.words[i], b)
	}
	return result
}

func (s *hostSet) and(other *hostSet) *hostSet {
	return s.combine(other, func(a, b uint64) uint64 { return a & b })
}

func (s *hostSet) or(other *hostSet) *hostSet {
	return s.combine(other, func(a, b uint64) uint64 { return a | b })
}

func (s *hostSet) without(other *hostSet) *hostSet {
	return s.combine(other, func(a, b uint64) uint64 { return a &^ b })
}

func (s *hostSet) len() (n int) {
	for _, word := range s.words {
		n += bits.OnesCount64(word)
	}
	return n
}

// A cut changes the sets of hosts from which hosts are cut off. A set that several
// hosts share is changed only once.
type cut struct {
	change func(old *hostSet) *hostSet // old is not nil
	done   map[*hostSet]*hostSet
}

func newCut(change func(old *hostSet) *hostSet) *cut {
	return &cut{change, make(map[*hostSet]*hostSet)}
}

func (c *cut) apply(h *Host) {
	changed, ok := c.done[h.cutOff]
	if !ok {
		old := h.cutOff
		if old == nil {
			old = &hostSet{}
		}
		if changed = c.change(old); changed.len() == 0 {
			changed = nil
		}
		c.done[h.cutOff] = changed
	}
	h.cutOff = changed
}

// cutHosts cuts the paths from hosts to the hosts of a set.
func cutHosts(from []*Host, to *hostSet) {
	all := newCut(to.or)
	for _, h := range from {
		all.apply(h)
	}
}

// cutOneWayLocked cuts the paths from hosts on one side to hosts on another.
func (s *Sim) cutOneWayLocked(from, to []*Host) {
	cutHosts(from, setOf(to))
	s.cutRoutesBetweenLocked(from, to)
}

// cutSidesLocked cuts the hosts of each side off from the hosts of all other sides.
func (s *Sim) cutSidesLocked(sides [][]*Host) {
	all, several := &hostSet{}, &hostSet{} // hosts of any side, and hosts of several sides
	sets := make([]*hostSet, len(sides))
	for i, side := range sides {
		sets[i] = setOf(side)
		several = several.or(all.and(sets[i]))
		all = all.or(sets[i])
	}
	for i, side := range sides {
		cutHosts(side, all.without(sets[i].without(several)))
	}
	for i, from := range sides {
		for j, to := range sides {
			if i != j {
				s.cutRoutesBetweenLocked(from, to)
			}
		}
	}
}

// mendLocked ends the cuts between the hosts and all others.
func (s *Sim) mendLocked(hosts []*Host) {
	mended := setOf(hosts)
	rest := newCut(func(old *hostSet) *hostSet { return old.without(mended) })
	for _, h := range s.ordered {
		if h.cutOff != nil {
			rest.apply(h)
		}
	}
	for _, h := range hosts {
		h.cutOff = nil
	}
	s.cutRoutesLocked()
}

// isCutLocked is cutsOffLocked for the names of hosts. It is false if a host does not
// exist.
func (s *Sim) isCutLocked(from, to string) bool {
	a, b := s.hosts[from], s.hosts[to]
	return a != b && a != nil && b != nil && s.cutsOffLocked(a, b)
}

// cutsOffLocked reports whether packets from one host to another are lost in a
// partition.
func (s *Sim) cutsOffLocked(from, to *Host) bool {
	return from.cutOff.has(to) || s.chaos.cutsOff(from, to)
}

// cutRoutesLocked updates existing routes for new cuts. New routes look up the cuts when
// they are created.
func (s *Sim) cutRoutesLocked() {
	for key, r := range s.routes {
		r.blocked = s.isCutLocked(key[0], key[1])
	}
}

// cutRoutesBetweenLocked updates routes for new cuts. It iterates over routes or pairs of
// hosts, whichever are fewer.
func (s *Sim) cutRoutesBetweenLocked(from, to []*Host) {
	if len(from)*len(to) >= len(s.routes) {
		s.cutRoutesLocked()
		return
	}
	for _, a := range from {
		for _, b := range to {
			if r := s.routes[[2]string{a.name, b.name}]; r != nil && a != b {
				r.blocked = true
			}
		}
	}
}

// cutsLocked describes the cuts, up to a readable number of them.
func (s *Sim) cutsLocked() (lines []string) {
	const most = 10
	hosts := slices.SortedFunc(slices.Values(s.ordered), compareNames)
	for _, h := range hosts {
		far := namesOf(slices.DeleteFunc(slices.Clone(hosts), func(other *Host) bool { return h == other || !s.cutsOffLocked(h, other) }))
		if more := len(far) - most; more > 0 {
			far = append(far[:most], fmt.Sprintf("%d more", more))
		}
		if len(far) > 0 {
			lines = append(lines, fmt.Sprintf("partition: nothing gets from %s to %s", h.name, strings.Join(far, ", ")))
		}
		if len(lines) == most {
			return append(lines, "there may be more partitions")
		}
	}
	return lines
}

// hostsLocked returns the hosts with the given names, all of which exist.
func (s *Sim) hostsLocked(names []string) (hosts []*Host) {
	for _, name := range names {
		hosts = append(hosts, s.hosts[name])
	}
	return hosts
}

// othersLocked returns all hosts other than the given ones.
func (s *Sim) othersLocked(hosts []*Host) []*Host {
	set := setOf(hosts)
	return slices.DeleteFunc(slices.Clone(s.ordered), set.has)
}
