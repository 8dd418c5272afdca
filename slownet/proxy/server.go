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

// A Server is a set of proxies with names. The zero Server has none, and is ready for
// use; its fields must not be changed after that. It is safe for concurrent use.
type Server struct {
	// Seed decides what is random: which connections a toxic affects, jitter, the pieces
	// of a slicer, and what the links of the model draw. What a connection draws follows
	// from the seed, the names of the proxy and the toxic, and its number among the
	// proxy's connections.
	Seed uint64

	// Trace, if it is not nil, is told what happens to the bytes of all connections
	// between proxies and servers; see [slownet.Config.Trace]. It takes io.Copy's fast
	// way from them.
	Trace func(trace.Event)

	// Observer, if it is not nil, is told what happens. It is called from several
	// goroutines, and must neither wait nor use the server.
	Observer func(Event)

	once  sync.Once
	epoch time.Time
	lot   *lot

	mu      sync.Mutex // guards what follows
	proxies map[string]*Proxy
	isOver  bool

	loading sync.Mutex // held while a file is loaded; guards what follows
	loaded  []string   // names of the proxies of the last one

	lines  sync.Mutex // guards what follows
	shared map[string]*sharedState
	necks  map[string]*netem.Bottleneck

	running sync.WaitGroup // of what Close waits for
}

// init is called by all that use a server.
func (s *Server) init() {
	s.once.Do(func() {
		s.epoch, s.lot = time.Now(), newLot()
		s.proxies, s.shared, s.necks = map[string]*Proxy{}, map[string]*sharedState{}, map[string]*netem.Bottleneck{}
	})
}

// now is the time on the server's time line.
func (s *Server) now() time.Duration { return time.Since(s.epoch) }

func (s *Server) tell(e Event) {
	if s.Observer != nil {
		s.Observer(e)
	}
}

// Add makes a proxy, which listens at once unless the configuration disables it. The
// error is that of what is wrong, or of listening.
func (s *Server) Add(c Config) (*Proxy, error) {
	s.init()
	p, err := newProxy(s, c)
	if err != nil {
		return nil, err
	}
	if err := s.mayAdd(c.Name); err != nil {
		return nil, err
	}
	if err := p.begin(c); err != nil { // without the lock, for it may look up a name
		return nil, err
	}
	s.mu.Lock()
	err = s.mayAddLocked(c.Name)
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

// mayAdd returns why a proxy cannot be added, or nil.
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

// Proxy returns the proxy with a name, or nil.
func (s *Server) Proxy(name string) *Proxy {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proxies[name]
}

// Proxies returns all proxies, by name.
func (s *Server) Proxies() []*Proxy {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.proxies), func(a, b *Proxy) int { return cmp.Compare(a.name, b.name) })
}

// Remove closes a proxy and its connections. It returns an error if there is none with
// that name.
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

// Reset enables all proxies and removes all toxics, as Toxiproxy's /reset does. The
// error is that of the first proxy that cannot listen; the others are reset anyway.
func (s *Server) Reset() error {
	var failed error
	for _, p := range s.Proxies() {
		failed = cmp.Or(failed, p.reset())
	}
	return failed
}

// Close closes all proxies and their connections, and waits until their goroutines have
// ended. What is on its way is lost.
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
	s.running.Wait()
	s.lot.close()
	return nil
}

// seedOf returns the seed of what has a name.
func (s *Server) seedOf(names ...string) uint64 {
	seed := mix64.Mix(s.Seed, 17)
	for _, name := range names {
		seed = mix64.String(seed, name)
	}
	return seed
}

// sharedBy returns what the toxics of that name share that have the scope PerServer.
func (s *Server) sharedBy(name string) *sharedState {
	s.lines.Lock()
	defer s.lines.Unlock()
	if s.shared[name] == nil {
		s.shared[name] = new(sharedState)
	}
	return s.shared[name]
}

// bottleneck returns the bottleneck with a name, whose rate becomes the given one if
// that is not zero. It returns nil if there is none and no rate is given.
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
