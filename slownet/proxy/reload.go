package proxy

import (
	"fmt"
	"reflect"
	"slices"
)

// Load makes the server's proxies match a file. It adds new proxies, updates changed ones,
// and removes the proxies that an earlier file contained but this file does not. Proxies that
// Load did not create stay. Connections of a proxy with unchanged addresses continue. If
// Load returns an error, such as a failure to listen, nothing has changed. There is one
// exception: if a proxy takes over the address of a removed one, and another program takes
// that address in between, then only this proxy differs from the file.
func (s *Server) Load(f File) error {
	s.init()
	s.loading.Lock()
	defer s.loading.Unlock()
	opened := map[string]*serving{}
	undo := func() {
		for _, o := range opened {
			o.stop()
		}
	}
	for _, c := range f.Proxies {
		if err := c.check(); err != nil {
			return fmt.Errorf("proxy %q: %w", c.Name, err)
		}
	}
	if err := s.mustEnd(f); err != nil {
		return err
	}
	var closed []*Proxy // to free their addresses for others
	for _, name := range s.loaded {
		if p := s.Proxy(name); p != nil && !slices.Contains(names(f.Proxies), name) {
			closed = append(closed, p)
		}
	}
	taken := map[string]bool{}
	for _, p := range closed {
		taken[p.Config().Listen] = true
	}
	for _, c := range f.Proxies {
		p, err := s.mustListen(c)
		if err != nil {
			undo()
			return fmt.Errorf("proxy %q: %w", c.Name, err)
		}
		if p == nil || taken[p.listen.String()] {
			continue
		}
		o, err := p.listenAt(p.listen)
		if err != nil {
			undo()
			return fmt.Errorf("proxy %q: %w", c.Name, err)
		}
		opened[c.Name] = o
	}
	for _, p := range closed {
		_ = s.Remove(p.name)
	}
	var failed error
	for _, c := range f.Proxies {
		if err := s.become(c, opened[c.Name]); err != nil && failed == nil {
			failed = fmt.Errorf("proxy %q: %w", c.Name, err)
		}
	}
	s.loaded = names(f.Proxies)
	return failed
}

// mustEnd returns an error if a client of a proxy of the file would come to the same proxy
// again. It does not look for that in Toxiproxy's file.
func (s *Server) mustEnd(f File) error {
	if f.isToxiproxy {
		return nil
	}
	hops := s.hopsExcept(append(names(f.Proxies), s.loaded...)...)
	before := len(hops)
	for _, c := range f.Proxies {
		h, err := c.hop()
		if err != nil {
			return fmt.Errorf("proxy %q: %w", c.Name, err)
		}
		hops = append(hops, h)
	}
	named, stop := resolving()
	defer stop()
	for _, h := range hops[before:] {
		if err := h.mustEnd(hops, named); err != nil {
			return fmt.Errorf("proxy %q: %w", h.proxy, err)
		}
	}
	return nil
}

// mustListen returns a proxy for a configuration that needs a new listener, which the
// caller must open before it changes anything. It returns nil for any other configuration.
func (s *Server) mustListen(c Config) (*Proxy, error) {
	to, err := newProxy(s, c)
	if err != nil || c.Disabled {
		return nil, err
	}
	if is := s.Proxy(c.Name); is != nil && !is.Config().Disabled {
		if same, err := is.isAt(to.listen); err != nil || same {
			return nil, err
		}
	}
	return to, nil
}

// isAt reports whether the proxy already listens at that address.
func (p *Proxy) isAt(e endpoint) (bool, error) {
	p.mu.Lock()
	asked, at := p.asked, p.listen
	p.mu.Unlock()
	if asked == e {
		return true, nil
	}
	return at.isSame(e)
}

// become applies a configuration to a proxy. o is its new listener, or nil.
func (s *Server) become(c Config, o *serving) error {
	p := s.Proxy(c.Name)
	if p == nil {
		disabled := c
		disabled.Disabled = c.Disabled || o != nil
		added, err := s.addLiterally(disabled)
		if err != nil {
			if o != nil {
				o.stop()
			}
			return err
		}
		added.take(o)
		return nil
	}
	to, err := newProxy(s, c)
	if err != nil {
		return err
	}
	p.setDeadUpstream(c.DeadUpstream)
	p.starting.Lock()
	same, _ := p.isAt(to.listen)
	p.mu.Lock()
	moves := o != nil || !same || p.upstream != to.upstream
	p.mu.Unlock()
	if moves {
		_ = p.setEnabled(false)
	}
	p.move(to, same)
	switch {
	case o != nil:
		p.starting.Unlock()
		p.take(o)
	default:
		err = p.setEnabled(!c.Disabled)
		p.starting.Unlock()
	}
	p.setToxics(c.Toxics)
	if !reflect.DeepEqual(p.Config().Schedule, c.Schedule) {
		p.setSchedule(c.Schedule)
	}
	return err
}

// take serves a listener that was opened before, unless it is nil.
func (p *Proxy) take(o *serving) {
	if o == nil {
		return
	}
	p.starting.Lock()
	defer p.starting.Unlock()
	o.proxy = p
	p.serve(o)
}

// setToxics replaces the toxics with the given ones. A toxic with the same name and type is
// updated.
func (p *Proxy) setToxics(toxics []Toxic) {
	var named []string
	for _, t := range toxics {
		named = append(named, t.name())
	}
	for _, t := range p.Config().Toxics {
		if !slices.Contains(named, t.Name) {
			_ = p.RemoveToxic(t.Name)
		}
	}
	if err := p.apply(Step{Set: toxics}); err != nil {
		p.fail(fmt.Errorf("toxics of the file: %w", err))
	}
}

// names returns the names of proxies.
func names(configs []Config) []string {
	var all []string
	for _, c := range configs {
		all = append(all, c.Name)
	}
	return all
}
