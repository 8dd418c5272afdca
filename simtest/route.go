package simtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A route is one direction of the path between two hosts.
type route struct {
	link    slownet.Link
	own     bool // the link was set, and is not the default
	version int  // counts changes of link
	blocked bool // by a partition
	held    bool // what is sent waits
	waiting []waiting
}

// waiting is what a route holds.
type waiting struct {
	at time.Duration // when it would have happened
	event
}

// SetLink sets the link over which travels what one host sends to another; the
// way back has a link of its own. Until it is set it is [Config.Link]; from a
// host to itself, the zero Link, which passes everything at once. A change holds
// for what is sent from then on, on open connections too, and overtakes nothing
// that is under way. Links that name the same [slownet.Bottleneck] share its
// rate. SetLink panics on an invalid link; see [slownet.Link.Validate].
func (s *Sim) SetLink(from, to string, link slownet.Link) {
	if err := link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: link from %q to %q: %v", from, to, err))
	}
	s.control(func() { s.setLinkLocked(from, to, link) })
}

// SetProfile sets both links between two hosts: the profile's Up is the way
// from a to b, its Down the way from b to a. It panics on an invalid profile;
// see [slownet.Profile.Validate].
func (s *Sim) SetProfile(a, b string, profile slownet.Profile) {
	if err := profile.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: profile of %q and %q: %v", a, b, err))
	}
	s.control(func() {
		s.setLinkLocked(a, b, profile.Up)
		s.setLinkLocked(b, a, profile.Down)
	})
}

func (s *Sim) setLinkLocked(from, to string, link slownet.Link) {
	r := s.routeLocked(from, to)
	r.link, r.own = link, true
	r.version++
	s.faultLocked("link", from, to)
	if h := s.hosts[from]; h != nil {
		h.queueChangedLocked(r)
	}
}

// queueChangedLocked wakes those who wait for room in a link's queue, for there
// may be some now.
func (h *Host) queueChangedLocked(r *route) {
	for _, c := range slices.SortedFunc(maps.Keys(h.conns), compareConns) {
		if c.route == r && c.writers > 0 {
			h.sim.callAtLocked(h.sim.now(), h, c.writable.Broadcast)
		}
	}
}

func (s *Sim) routeLocked(from, to string) *route {
	key := [2]string{from, to}
	r := s.routes[key]
	if r == nil {
		r = &route{}
		if from != to {
			r.link = s.link
		}
		s.routes[key] = r
	}
	return r
}

// unknownHost returns the name of a host that was spoken of but does not exist.
func (s *Sim) unknownHost() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unknown []string
	for key := range s.routes {
		for _, end := range key {
			if s.hosts[end] == nil {
				unknown = append(unknown, end)
			}
		}
	}
	for target := range s.refused {
		if s.hosts[target.host] == nil {
			unknown = append(unknown, target.host)
		}
	}
	if len(unknown) == 0 {
		return ""
	}
	return slices.Min(unknown)
}

// carriesAtOnce reports whether all that is sent at one instant arrives at one
// instant.
func (r *route) carriesAtOnce() bool {
	return r.link == slownet.Link{Latency: r.link.Latency, Queue: r.link.Queue, MTU: r.link.MTU}
}

// travelLocked schedules what a route carries.
func (s *Sim) travelLocked(r *route, at time.Duration, e event) {
	if r.held {
		r.waiting = append(r.waiting, waiting{at, e})
		return
	}
	s.scheduleLocked(at, e)
}
