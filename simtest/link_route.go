package simtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/lines"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A route is one direction of the path between two hosts.
type route struct {
	link    netem.Link
	shared  *netem.Link // the same, which connections share
	own     bool        // the link was set, and is not the default
	version int         // counts changes of link
	blocked bool        // by a partition
	held    bool        // what is sent waits
	waiting []waiting

	line         netem.Line    // the link in use: all that crosses it shares it
	stepAt       time.Duration // when it is scheduled to be asked what became of what waits; 0 is never
	losesNothing bool          // but by a full queue, and faults
	isClear      bool          // it has a latency, and nothing else that matters to segments
	lookahead    time.Duration // how long they take at least
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
// one's own. Until it is set it is [Config.Link]; from a
// host to itself, the zero Link, which passes everything at once. A change holds
// for what is sent from then on, on open connections too, and overtakes nothing
// that is under way. Links that name the same [netem.Bottleneck] share its
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

// SetProfile sets both links between two hosts: the profile's Up is the way
// from a to b, its Down the way from b to a. As for SetLink, the hosts may be
// created later. It panics on an invalid profile; see [netem.Profile.Validate].
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
	s.meetLocked(link.Bottleneck)
	r := s.routeLocked(from, to)
	r.own = true
	s.disturbNamedLocked([]string{from}, func() { r.setLinkLocked(link) })
	s.faultLocked("link", from, to)
	if h := s.hosts[from]; h != nil {
		h.queueChangedLocked(r)
	}
}

func (r *route) setLinkLocked(link netem.Link) {
	r.link = link
	r.shared = &link
	r.version++
	r.losesNothing = link.LosesNothing()
	r.isClear = r.carriesAtOnce() && !link.Queue.CountDelayed && !link.DropOversize
	r.line.SetSharedLink(r.shared)
	r.lookahead = 0
	if link.Jitter == (netem.Jitter{}) && link.Reorder == (netem.Chance{}) {
		r.lookahead = link.Latency
	}
}

// SetDefaultLink sets the link from any host to any other that has none of its
// own by [Sim.SetLink] or [Sim.SetProfile], which until then is [Config.Link]. It
// panics on an invalid link; see [netem.Link.Validate].
func (s *Sim) SetDefaultLink(link netem.Link) {
	if err := link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: default link: %v", err))
	}
	s.control("default link "+linkKey(link), func() {
		s.meetLocked(link.Bottleneck)
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

// meetLocked has a bottleneck begin with the simulation, if it is new to it.
func (s *Sim) meetLocked(b *netem.Bottleneck) {
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
		r.line.Init(&noLink, mixString(mixString(s.seed, from), to))
		if from == to {
			r.setLinkLocked(netem.Link{})
		} else {
			r.setLinkLocked(s.link)
		}
		s.routes[key] = r
	}
	return r
}

// carriesAtOnce reports whether all that is sent at one instant arrives at one
// instant.
func (r *route) carriesAtOnce() bool {
	return r.link == netem.Link{Latency: r.link.Latency, Queue: r.link.Queue, MTU: r.link.MTU} && !r.link.Queue.CountDelayed
}

// travelLocked schedules what a route carries.
func (s *Sim) travelLocked(r *route, at time.Duration, e event) {
	if r.held {
		r.hold(at, e)
		return
	}
	s.scheduleLocked(at, e)
}

// travelInnerLocked is travelLocked for what nobody sees.
func (s *Sim) travelInnerLocked(r *route, at time.Duration, e event) {
	if r.held {
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
