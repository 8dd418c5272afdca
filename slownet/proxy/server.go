package proxy

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/lines"
	"github.com/slowpoetry/slowpoetry/internal/mix64"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Server is a set of named proxies. The zero Server is empty and ready to use. Its
// fields must not be changed after the first call. It is safe for concurrent use.
type Server struct {
	// Seed determines everything random: which connections a toxic affects, jitter, the
	// pieces of a slicer, and the draws of links. The draws of a connection follow from
	// the seed, the names of the proxy and the toxic, and its number among the proxy's
	// connections.
	Seed uint64

	// Trace, if not nil, receives the events of the bytes of all connections between
	// proxies and servers; see [slownet.Config.Trace]. Traced connections lose
	// io.Copy's fast path.
	Trace func(trace.Event)

	// Observer, if not nil, receives the events of the proxies. It is called from
	// several goroutines, and must neither block nor use the server.
	Observer func(ServerEvent)

	once   sync.Once
	epoch  time.Time
	poller *poller

	mu      sync.Mutex // guards the fields below
	proxies map[string]*Proxy
	isOver  bool

	loading sync.Mutex // held while a file is loaded; guards the fields below
	loaded  []string   // names of the proxies of the last file

	lines  sync.Mutex // guards the fields below
	shared map[string]*sharedState
	necks  map[string]*netem.Bottleneck

	running running // counts everything that Close waits for
}

// init is called by every method.
func (s *Server) init() {
	s.once.Do(func() {
		s.epoch, s.poller = time.Now(), newPoller()
		s.proxies, s.shared, s.necks = map[string]*Proxy{}, map[string]*sharedState{}, map[string]*netem.Bottleneck{}
	})
}

// now returns the time on the server's time line.
func (s *Server) now() time.Duration { return time.Since(s.epoch) }

func (s *Server) tell(e ServerEvent) {
	if s.Observer != nil {
		s.Observer(e)
	}
}

// Add adds a proxy, which listens at once unless the configuration disables it. It
// returns an error for an invalid configuration, if listening fails, or if a client would be
// connected to the proxy again by the server's proxies, without end.
func (s *Server) Add(c Config) (*Proxy, error) {
	s.init()
	p, err := newProxy(s, c)
	if err != nil {
		return nil, err
	}
	named, stop := resolving()
	defer stop()
	if err := p.hop().mustEnd(s.hopsExcept(p.name), named); err != nil {
		return nil, err
	}
	return s.add(p, c)
}

// addLiterally adds a proxy as Toxiproxy does, which does not look for loops through several
// proxies: they may be temporary.
func (s *Server) addLiterally(c Config) (*Proxy, error) {
	s.init()
	p, err := newProxy(s, c)
	if err != nil {
		return nil, err
	}
	return s.add(p, c)
}

func (s *Server) add(p *Proxy, c Config) (*Proxy, error) {
	if err := s.mayAdd(c.Name); err != nil {
		return nil, err
	}
	if err := p.begin(c); err != nil { // without the lock, as it may look up a name
		return nil, err
	}
	s.mu.Lock()
	err := s.mayAddLocked(c.Name)
	if err == nil {
		s.proxies[c.Name] = p
	}
	s.mu.Unlock()
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// mayAdd returns the reason why a proxy cannot be added, or nil.
func (s *Server) mayAdd(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mayAddLocked(name)
}

func (s *Server) mayAddLocked(name string) error {
	switch {
	case s.isOver:
		return ErrClosed
	case s.proxies[name] != nil:
		return errProxyAlreadyExists
	}
	return nil
}

// Proxy returns the proxy with the given name, or nil.
func (s *Server) Proxy(name string) *Proxy {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proxies[name]
}

// Proxies returns all proxies, sorted by name.
func (s *Server) Proxies() []*Proxy {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.proxies), func(a, b *Proxy) int { return cmp.Compare(a.name, b.name) })
}

// Remove closes a proxy and its connections. It returns an error if there is no proxy
// with that name.
func (s *Server) Remove(name string) error {
	s.init()
	s.mu.Lock()
	p := s.proxies[name]
	delete(s.proxies, name)
	s.mu.Unlock()
	if p == nil {
		return errProxyNotFound
	}
	p.close()
	return nil
}

// Reset enables all proxies and removes all toxics, as Toxiproxy's /reset does. It
// returns the error of the first proxy that cannot listen; the others are reset
// nevertheless.
func (s *Server) Reset() error {
	var failed error
	for _, p := range s.Proxies() {
		failed = cmp.Or(failed, p.reset())
	}
	return failed
}

// Close closes all proxies and their connections, and waits until their goroutines have
// ended. Bytes in flight are lost.
func (s *Server) Close() error {
	s.init()
	s.mu.Lock()
	s.isOver = true
	proxies := slices.Collect(maps.Values(s.proxies))
	clear(s.proxies)
	s.mu.Unlock()
	for _, p := range proxies {
		p.close()
	}
	s.running.wait()
	s.poller.close()
	return nil
}

// seedOf returns the seed for a list of names.
func (s *Server) seedOf(names ...string) uint64 {
	seed := mix64.Mix(s.Seed, 17)
	for _, name := range names {
		seed = mix64.String(seed, name)
	}
	return seed
}

// sharedBy returns the state that toxics of that name with scope PerServer share.
func (s *Server) sharedBy(name string) *sharedState {
	s.lines.Lock()
	defer s.lines.Unlock()
	if s.shared[name] == nil {
		s.shared[name] = new(sharedState)
	}
	return s.shared[name]
}

// bottleneck returns the bottleneck with the given name, and sets its rate unless
// that is zero. It returns nil if there is no such bottleneck and no rate is given.
func (s *Server) bottleneck(name string, rate netem.Rate) *netem.Bottleneck {
	s.lines.Lock()
	defer s.lines.Unlock()
	b := s.necks[name]
	switch {
	case b == nil && rate > 0:
		b = netem.NewBottleneck(rate)
		lines.Share(b)
		s.necks[name] = b
	case b != nil && rate > 0:
		b.SetRate(rate)
	}
	return b
}
