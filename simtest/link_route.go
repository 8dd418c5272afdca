package simtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/lines"
	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A route is one direction of the link between two hosts, and of what is between
// them besides: partitions, and Hold.
type route struct {
	hop
	own        bool  // the link was set, and is not the default
	blocked    bool  // by a partition
	held       bool  // what is sent waits
	heldByTest bool  // by a Hold of the test's
	holds      int32 // counts the times that it began to
	waiting    []waiting
	chaos      *routeChaos // nil for none
}

// noLink passes everything at once. Lines share it, and it is never changed.
var noLink netem.Link

// waiting is what a route holds.
type waiting struct {
	at time.Duration // when it would have happened
	event
}

// SetLink sets the link over which travels what one host sends to another; the
// way back has a link of its own. All connections and sockets of the two hosts
// share its rate, its queue, and its luck with losses; only a [netem.Pace] is each
// one's own. Others do not: what a host shares with all its peers is its access,
// see [Host.SetAccess]. Until it is set it is [Config.Link]; from a
// host to itself, the zero Link, which passes everything at once. A change holds
// for what is sent from then on, on open connections too. What is in flight arrives
// when it would have, so a datagram on a faster link may overtake it; the bytes of a
// stream do not. Links that name the same [netem.Bottleneck] share its
// rate. The hosts may be created later; one that does not exist when the
// simulation's function has ended fails the test. SetLink panics on an invalid
// link; see [netem.Link.Validate].
func (s *Sim) SetLink(from, to string, link netem.Link) {
	if err := link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: link from %q to %q: %v", from, to, err))
	}
	s.expectHosts("SetLink", from, to)
	s.control(fmt.Sprintf("link %q %q %s", from, to, linkKey(link)), func() { s.setLinkLocked(from, to, link) })
}

// SetProfile sets both links between two hosts, which all connections and sockets of
// these two share, and no others; for a line that a host shares with all its peers,
// see [Host.SetAccess]. The profile's Up is the way from a to b, its Down the way from b
// to a. Its Lookup has no effect. As for SetLink, the hosts may be created later. It panics on an invalid profile; see [netem.Profile.Validate].
func (s *Sim) SetProfile(a, b string, profile netem.Profile) {
	if err := profile.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: profile of %q and %q: %v", a, b, err))
	}
	s.expectHosts("SetProfile", a, b)
	s.control(fmt.Sprintf("profile %q %q %s %s", a, b, linkKey(profile.Up), linkKey(profile.Down)), func() {
		s.setLinkLocked(a, b, profile.Up)
		s.setLinkLocked(b, a, profile.Down)
	})
}

// linkKey says what link it is, without the addresses of what it shares.
func linkKey(link netem.Link) string {
	shares := link.Bottleneck != nil
	link.Bottleneck = nil
	var tables []byte
	if link.Replay != nil || link.Jitter.Distribution.String() == "table" {
		tables, _ = json.Marshal(link) // never fails: the link is valid
		link.Replay = nil
	}
	return fmt.Sprintf("%v %v %08x", link, shares, hash(tables))
}

func (s *Sim) setLinkLocked(from, to string, link netem.Link) {
	s.joinBottleneckLocked(link.Bottleneck)
	r := s.routeLocked(from, to)
	r.own = true
	s.disturbNamedLocked([]string{from}, func() { r.setLinkLocked(link) })
	s.faultLocked("link", from, to)
	if h := s.hosts[from]; h != nil {
		h.queueChangedLocked(r)
	}
}

// setLinkLocked sets the link, on which a chaos may have put something.
func (r *route) setLinkLocked(link netem.Link) {
	if r.chaos != nil {
		r.chaos.link = link
		link = r.chaos.change(link)
	}
	r.hop.setLinkLocked(link)
}

// SetDefaultLink sets the link from any host to any other, one for each pair and
// direction, that has none of its own by [Sim.SetLink] or [Sim.SetProfile], which until then is [Config.Link]. It
// panics on an invalid link; see [netem.Link.Validate].
func (s *Sim) SetDefaultLink(link netem.Link) {
	if err := link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: default link: %v", err))
	}
	s.control("default link "+linkKey(link), func() {
		s.joinBottleneckLocked(link.Bottleneck)
		s.link = link
		s.faultLocked("default link", "", "")
		s.disturbLocked(s.ordered, func() {
			for key, r := range s.routes {
				if !r.own && key[0] != key[1] {
					r.setLinkLocked(link)
				}
			}
		})
		for _, h := range s.ordered {
			h.queueChangedLocked(nil)
		}
	})
}

// joinBottleneckLocked has a bottleneck begin with the simulation, if it is new to it.
func (s *Sim) joinBottleneckLocked(b *netem.Bottleneck) {
	if b != nil && !s.bottlenecks[b] {
		s.bottlenecks[b] = true
		lines.Share(b)
		b.Reset()
	}
}

// queueChangedLocked wakes those who wait for room in a link's queue, for there
// may be some now.
func (h *Host) queueChangedLocked(r *route) {
	for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
		if (c.route == r || r == nil) && c.writes.first != nil {
			h.sim.callAtLocked(h.sim.now(), h, c.goOnWritingLocked)
		}
	}
}

func (s *Sim) routeLocked(from, to string) *route {
	key := [2]string{from, to}
	r := s.routes[key]
	if r == nil {
		r = &route{blocked: s.isCutLocked(from, to)}
		r.line.Init(&noLink, mix64.String(mix64.String(s.seed, from), to))
		s.overrideLocked(&r.line, lineName{from, to})
		if from == to {
			r.setLinkLocked(netem.Link{})
		} else {
			r.setLinkLocked(s.link)
		}
		s.routes[key] = r
	}
	return r
}

// travelLocked schedules what a route carries.
func (s *Sim) travelLocked(r *route, at time.Duration, e event) {
	s.travelSinceLocked(r, r.holdsNow(), at, e)
}

// beginHold has the route hold what is sent from now on.
func (r *route) beginHold() {
	if !r.held {
		r.held = true
		r.holds++
	}
}

// holdsNow tells those that were sent while the route holds what is sent, and until
// when: it is the number of that time, and otherwise 0.
func (r *route) holdsNow() int32 {
	if r.held {
		return r.holds
	}
	return 0
}

// travelSinceLocked is travelLocked for what was sent when holdsNow was hold.
func (s *Sim) travelSinceLocked(r *route, hold int32, at time.Duration, e event) {
	if r.held && r.holds == hold {
		r.hold(at, e)
		return
	}
	s.scheduleLocked(at, e)
}

// travelInnerLocked is travelSinceLocked for what nobody sees.
func (s *Sim) travelInnerLocked(r *route, hold int32, at time.Duration, e event) {
	if r.held && r.holds == hold {
		r.hold(at, e)
		return
	}
	s.scheduleInnerLocked(at, e)
}

// hold keeps what the route holds.
func (r *route) hold(at time.Duration, e event) {
	if e.what == segmentsArriving {
		e.conn.troubleLoop()
	}
	r.waiting = append(r.waiting, waiting{at, e})
}
