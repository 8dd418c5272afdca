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

// A route is one direction between two hosts: the link, partitions, and Hold.
type route struct {
	hop
	own        bool  // the link was set, rather than the default
	blocked    bool  // by a partition
	held       bool  // packets are held
	heldByTest bool  // by a Hold of the test
	holds      int32 // counts the beginnings of holds
	waiting    []waiting
	chaos      *routeChaos // nil for none
}

// noLink passes everything at once. Lines share it, and it is never changed.
var noLink netem.Link

// A waiting is an event that a route holds.
type waiting struct {
	at time.Duration // its regular time
	event
}

// SetLink sets the link from one host to another; the reverse direction has a link of
// its own. All connections and sockets between the two hosts share its rate, its queue,
// and its random losses; only a [netem.Pace] applies to each of them separately. Other
// hosts do not share it: a line that all traffic of a host shares is its access, see
// [Host.SetAccess]. The default is [Config.Link], and from a host to itself the zero
// Link, which passes everything at once. A change applies to everything sent from then
// on, also on open connections. Packets in flight arrive as before, so a datagram on a
// faster link can overtake them; the bytes of a stream do not. Links that name the same
// [netem.Bottleneck] share its rate. The hosts may be created later; if one does not
// exist when the simulation's function has ended, the test fails. SetLink panics on an
// invalid link; see [netem.Link.Validate].
func (s *Sim) SetLink(from, to string, link netem.Link) {
	if err := link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: link from %q to %q: %v", from, to, err))
	}
	s.expectHosts("SetLink", from, to)
	s.control(fmt.Sprintf("link %q %q %s", from, to, linkKey(link)), func() { s.setLinkLocked(from, to, link) })
}

// SetProfile sets both links between two hosts, which all connections and sockets
// between these hosts share; for a line that all traffic of a host shares, see
// [Host.SetAccess]. The profile's Up is the direction from a to b, its Down that from b
// to a. Its Lookup has no effect. As with SetLink, the hosts may be created later. It
// panics on an invalid profile; see [netem.Profile.Validate].
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

// linkKey describes a link, without pointers to shared objects.
func linkKey(link netem.Link) string {
	shares := link.Bottleneck != nil
	link.Bottleneck = nil
	var tables []byte
	if link.Replay != nil || link.Jitter.Distribution.String() == "table" {
		tables, _ = json.Marshal(link) // does not fail: the link is valid
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

// setLinkLocked sets the link with the effects of a Chaos.
func (r *route) setLinkLocked(link netem.Link) {
	if r.chaos != nil {
		r.chaos.link = link
		link = r.chaos.change(link)
	}
	r.hop.setLinkLocked(link)
}

// SetDefaultLink sets the links between all hosts for which neither [Sim.SetLink] nor
// [Sim.SetProfile] has set one. Each direction of each pair has a link of its own. It
// replaces [Config.Link]. It panics on an invalid link; see [netem.Link.Validate].
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

// joinBottleneckLocked resets a bottleneck that is new to the simulation.
func (s *Sim) joinBottleneckLocked(b *netem.Bottleneck) {
	if b != nil && !s.bottlenecks[b] {
		s.bottlenecks[b] = true
		lines.Share(b)
		b.Reset()
	}
}

// queueChangedLocked wakes writers that wait for room in a link's queue, since there
// may be room now.
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

// travelLocked schedules an event at the end of a route.
func (s *Sim) travelLocked(r *route, at time.Duration, e *event) {
	s.travelSinceLocked(r, r.holdsNow(), at, e)
}

// beginHold makes the route hold everything sent from now on.
func (r *route) beginHold() {
	if !r.held {
		r.held = true
		r.holds++
	}
}

// holdsNow identifies packets sent during a hold: it returns the number of the hold, or
// 0 if there is none.
func (r *route) holdsNow() int32 {
	if r.held {
		return r.holds
	}
	return 0
}

// travelSinceLocked is travelLocked for a packet for which holdsNow returned hold.
func (s *Sim) travelSinceLocked(r *route, hold int32, at time.Duration, e *event) {
	if r.held && r.holds == hold {
		r.hold(at, e)
		return
	}
	s.scheduleLocked(at, e)
}

// travelInnerLocked is travelSinceLocked for inner events.
func (s *Sim) travelInnerLocked(r *route, hold int32, at time.Duration, e *event) {
	if r.held && r.holds == hold {
		r.hold(at, e)
		return
	}
	s.scheduleInnerLocked(at, e)
}

// hold adds an event to those that the route holds.
func (r *route) hold(at time.Duration, e *event) {
	if e.what == segmentsArriving {
		e.conn.troubleLoop()
	}
	r.waiting = append(r.waiting, waiting{at, *e})
}
