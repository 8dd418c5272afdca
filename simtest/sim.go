package simtest

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
)

// A Sim is a simulated network: hosts, and links between them. All its methods
// may be called from any goroutine.
type Sim struct {
	settle  func()        // returns when every goroutine of the simulation is blocked
	origin  time.Time     // simulated time 0
	wake    chan struct{} // holds a token when there is something to look at for the loop
	stopped chan struct{} // closed when the loop has ended

	mu      sync.Mutex // guards what follows, and all state of hosts, listeners and connections
	hosts   map[string]*Host
	byAddr  map[netip.Addr]*Host
	routes  map[[2]string]*route // from, to
	posted  []action             // since the loop looked last, in the order of the scheduler
	queue   queue                // what is under way
	notices []func()             // to be called when mu is free again
	closed  bool
}

// A route is one direction of the path between two hosts.
type route struct {
	link    slownet.Link
	version int // counts changes of link
}

// newSim starts a simulation. Outside of a bubble, on real time, settle does
// nothing, and the order of what happens at once is left to chance.
func newSim(settle func()) *Sim {
	s := &Sim{
		settle:  settle,
		origin:  time.Now(),
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
		hosts:   make(map[string]*Host),
		byAddr:  make(map[netip.Addr]*Host),
		routes:  make(map[[2]string]*route),
	}
	go s.loop()
	return s
}

// Host returns the host of that name, which it creates at the first call. The
// name is what other hosts dial: "poet:10000". Every host has an IPv4 and an
// IPv6 address of its own, numbered in the order of creation, and 127.0.0.1 and
// ::1 for itself. Host panics if the name is empty or could be taken for
// something else: an address, a port, or "localhost".
func (s *Sim) Host(name string) *Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	if host := s.hosts[name]; host != nil {
		return host
	}
	if err := checkHostName(name); err != nil {
		panic(err.Error())
	}
	host := newHost(s, name, len(s.hosts)+1)
	s.hosts[name] = host
	s.byAddr[host.v4], s.byAddr[host.v6] = host, host
	return host
}

// SetLink sets the link over which travels what one host sends to another; the
// way back has a link of its own. Until it is set it is the zero Link, which
// passes everything at once. A change holds for what is sent from then on, on
// open connections too, and overtakes nothing that is under way. SetLink panics
// on an invalid link; see [slownet.Link.Validate].
func (s *Sim) SetLink(from, to string, link slownet.Link) {
	if err := link.Validate(); err != nil {
		panic(fmt.Sprintf("simtest: link from %q to %q: %v", from, to, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.routeLocked(from, to)
	r.link = link
	r.version++
}

// Elapsed returns how much simulated time has passed since the start.
func (s *Sim) Elapsed() time.Duration { return time.Since(s.origin) }

func (s *Sim) routeLocked(from, to string) *route {
	key := [2]string{from, to}
	if s.routes[key] == nil {
		s.routes[key] = &route{}
	}
	return s.routes[key]
}

// unknownHost returns the name of a host that has a link but does not exist.
func (s *Sim) unknownHost() (name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.routes {
		for _, end := range key {
			if s.hosts[end] == nil && (name == "" || end < name) {
				name = end
			}
		}
	}
	return name
}

// unlock releases mu and then tells those who wanted to be told.
func (s *Sim) unlock() {
	notices := s.notices
	s.notices = nil
	s.mu.Unlock()
	for _, notice := range notices {
		notice()
	}
}
