package proxy

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// AddToxic adds a toxic, and returns it with its name.
func (p *Proxy) AddToxic(t Toxic) (Toxic, error) {
	if err := t.validate(); err != nil {
		return Toxic{}, err
	}
	t.Name = t.name()
	defer p.interruption.await()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.findLocked(t.Name) != nil {
		return Toxic{}, errToxicAlreadyExists
	}
	if err := p.fitsLocked(&t, nil); err != nil {
		return Toxic{}, err
	}
	added := &toxic{Toxic: t, seed: p.server.seedOf(p.name, t.Name)}
	switch t.Scope {
	case PerProxy:
		added.shared = new(sharedState)
	case PerServer:
		added.shared = p.server.sharedBy(t.Name)
	}
	p.toxics = append(p.toxics, added)
	p.changedLocked(nil)
	return t, nil
}

// UpdateToxic changes the attributes and the toxicity of a toxic to those in a JSON
// object, as in Toxiproxy's API. Missing fields keep their values.
func (p *Proxy) UpdateToxic(name string, data []byte) (Toxic, error) {
	return p.change(name, func(t *toxic) (Attributes, float32, error) {
		var raw json.RawMessage
		in := struct {
			Attributes any     `json:"attributes"`
			Toxicity   float32 `json:"toxicity"`
		}{&raw, t.Toxicity}
		if err := json.Unmarshal(data, &in); err != nil {
			return nil, 0, badRequest(err)
		}
		attributes, err := readAttributes(t.Attributes, raw)
		if err != nil {
			return nil, 0, badRequest(err)
		}
		return attributes, in.Toxicity, nil
	})
}

// SetToxic sets the attributes and the toxicity of a toxic. Its type cannot change.
func (p *Proxy) SetToxic(name string, a Attributes, toxicity float32) (Toxic, error) {
	return p.change(name, func(*toxic) (Attributes, float32, error) { return a, toxicity, nil })
}

// change sets a toxic's attributes and toxicity to those that a function returns.
func (p *Proxy) change(name string, to func(*toxic) (Attributes, float32, error)) (Toxic, error) {
	defer p.interruption.await()
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.findLocked(name)
	if t == nil {
		return Toxic{}, errToxicNotFound
	}
	a, toxicity, err := to(t)
	if err != nil {
		return Toxic{}, err
	}
	return p.setLocked(t, a, toxicity)
}

func (p *Proxy) setLocked(t *toxic, a Attributes, toxicity float32) (Toxic, error) {
	to := t.Toxic
	to.Attributes, to.Toxicity = a, toxicity
	if err := to.validate(); err != nil {
		return Toxic{}, err
	}
	if a.kind() != t.Attributes.kind() {
		return Toxic{}, badRequest(fmt.Errorf("toxic %q is of type %s, not %s: remove it and add another", t.Name, t.Attributes.kind(), a.kind()))
	}
	if err := p.fitsLocked(&to, t); err != nil {
		return Toxic{}, err
	}
	t.Toxic = to
	p.changedLocked(t)
	return to, nil
}

// RemoveToxic removes a toxic. The bytes that it holds move on.
func (p *Proxy) RemoveToxic(name string) error {
	defer p.interruption.await()
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.findLocked(name)
	if t == nil {
		return errToxicNotFound
	}
	p.toxics = slices.DeleteFunc(p.toxics, func(other *toxic) bool { return other == t })
	p.changedLocked(nil)
	return nil
}

// Toxic returns the toxic with the given name, and whether there is one.
func (p *Proxy) Toxic(name string) (t Toxic, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.findLocked(name); t != nil {
		return t.Toxic, true
	}
	return Toxic{}, false
}

func (p *Proxy) findLocked(name string) *toxic {
	for _, t := range p.toxics {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// fitsLocked returns the reason why a toxic does not fit the proxy and its other toxics,
// or nil.
func (p *Proxy) fitsLocked(t *Toxic, instead *toxic) error {
	if p.listen.network == "udp" {
		switch t.Attributes.(type) {
		case ResetPeer, SlowClose:
			return badRequest(fmt.Errorf("a datagram proxy has no connections: %s does not apply to it", t.Attributes.kind()))
		}
	}
	a, ok := t.Attributes.(Link)
	if !ok {
		return nil
	}
	if a.Bottleneck != "" && p.server.bottleneck(a.Bottleneck, a.BottleneckRate) == nil {
		return badRequest(fmt.Errorf(`there is no bottleneck %.40q: give its rate, such as {"name": %.40q, "rate": "10Mbit/s"}`, a.Bottleneck, a.Bottleneck))
	}
	if t.Scope == PerServer && a.over(Upstream).Rate == 0 && a.over(Downstream).Rate == 0 {
		return badRequest(fmt.Errorf("the link has no rate: the scope server shares the rate, so give one"))
	}
	for _, other := range p.toxics {
		b, ok := other.Attributes.(Link)
		if !ok || other == instead {
			continue
		}
		switch {
		case t.Stream == Both || other.Stream == Both || t.Stream == other.Stream:
			return &apiError{fmt.Sprintf("the stream already has a link, the toxic %q: change it, or remove it first", other.Name), 409}
		case (t.Scope == PerConnection) != (other.Scope == PerConnection):
			return badRequest(fmt.Errorf("the link of the other stream, %q, has another scope: either both must be shared or none", other.Name))
		case a.Congestion != b.Congestion:
			return badRequest(fmt.Errorf("the link of the other stream, %q, has another congestion: TCP uses the same for both", other.Name))
		}
	}
	if instead != nil && instead.Attributes.(Link).Congestion != a.Congestion {
		return badRequest(fmt.Errorf("congestion cannot be changed: remove the link and add it again"))
	}
	return nil
}

// changedLocked applies the current toxics to all connections.
func (p *Proxy) changedLocked(changed *toxic) {
	before := p.links
	p.links = [2]*toxic{}
	for _, t := range p.toxics {
		if _, ok := t.Attributes.(Link); ok {
			for s := range p.links {
				if t.affects(Stream(s)) {
					p.links[s] = t
				}
			}
		}
	}
	if before != p.links || changed != nil && !changed.isStage() {
		p.linkAllLocked()
	}
	for _, c := range p.all() {
		c.setToxics(p.toxics, changed)
	}
	for _, peer := range p.allPeers() {
		peer.setToxics(p.toxics, changed)
	}
}

// lookupLocked returns the extra time of a lookup of the server's name.
func (p *Proxy) lookupLocked() (lookup time.Duration) {
	for _, t := range p.links {
		if t != nil {
			if profile := t.Attributes.(Link).Profile; profile != nil {
				lookup = max(lookup, profile.Lookup)
			}
		}
	}
	return lookup
}
