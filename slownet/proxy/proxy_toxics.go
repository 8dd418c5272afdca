package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// AddToxic adds a toxic, and returns it with its name.
func (p *Proxy) AddToxic(t Toxic) (Toxic, error) {
	if err := t.validate(); err != nil {
		return Toxic{}, err
	}
	t.Name = t.name()
	err := p.change(func(all []*toxic) ([]*toxic, error) {
		if p.set.Load().find(t.Name) != nil {
			return nil, errToxicAlreadyExists
		}
		if err := p.fitsLocked(&t, nil); err != nil {
			return nil, err
		}
		p.made++
		added := &toxic{Toxic: t, number: p.made, seed: p.server.seedOf(p.name, t.Name)}
		switch t.Scope {
		case PerProxy:
			added.shared = new(sharedState)
		case PerServer:
			added.shared = p.server.sharedBy(t.Name)
		}
		return append(all, added), nil
	})
	if err != nil {
		return Toxic{}, err
	}
	return t, nil
}

// UpdateToxic changes the attributes and the toxicity of a toxic to the values in a JSON
// object, as in Toxiproxy's API. Missing fields keep their values.
func (p *Proxy) UpdateToxic(name string, data []byte) (Toxic, error) {
	return p.changeToxic(name, func(t *Toxic) error {
		var raw json.RawMessage
		in := struct {
			Attributes any     `json:"attributes"`
			Toxicity   float32 `json:"toxicity"`
		}{&raw, t.Toxicity}
		if err := json.Unmarshal(data, &in); err != nil {
			return badRequest(err)
		}
		attributes, err := readAttributes(t.Attributes, raw)
		if err != nil {
			return badRequest(err)
		}
		t.Attributes, t.Toxicity = attributes, in.Toxicity
		return nil
	})
}

// SetToxic sets the attributes and the toxicity of a toxic. Its type cannot change.
func (p *Proxy) SetToxic(name string, a Attributes, toxicity float32) (Toxic, error) {
	return p.changeToxic(name, func(t *Toxic) error {
		if a != nil && a.kind() != t.Attributes.kind() {
			return badRequest(fmt.Errorf("toxic %q is of type %s, not %s: remove it and add another", t.Name, t.Attributes.kind(), a.kind()))
		}
		t.Attributes, t.Toxicity = a, toxicity
		return nil
	})
}

// changeToxic replaces the toxic with a name by a changed copy.
func (p *Proxy) changeToxic(name string, change func(*Toxic) error) (Toxic, error) {
	var to Toxic
	err := p.change(func(all []*toxic) ([]*toxic, error) {
		is := p.set.Load().find(name)
		if is == nil {
			return nil, errToxicNotFound
		}
		changed := *is
		if err := change(&changed.Toxic); err != nil {
			return nil, err
		}
		if err := changed.validate(); err != nil {
			return nil, err
		}
		if err := p.fitsLocked(&changed.Toxic, is); err != nil {
			return nil, err
		}
		to = changed.Toxic
		all[slices.Index(all, is)] = &changed
		return all, nil
	})
	return to, err
}

// RemoveToxic removes a toxic. The bytes that it holds move on.
func (p *Proxy) RemoveToxic(name string) error {
	return p.change(func(all []*toxic) ([]*toxic, error) {
		t := p.set.Load().find(name)
		if t == nil {
			return nil, errToxicNotFound
		}
		return slices.DeleteFunc(all, func(other *toxic) bool { return other == t }), nil
	})
}

// change replaces the toxics with the result of a function, which gets a copy of them.
// All connections follow the change.
func (p *Proxy) change(change func(all []*toxic) ([]*toxic, error)) error {
	p.mu.Lock()
	all, err := change(slices.Clone(p.set.Load().all))
	if err != nil {
		p.mu.Unlock()
		return err
	}
	links := [2]*toxic{}
	for _, t := range all {
		if _, ok := t.Attributes.(Link); ok {
			for s := range links {
				if t.affects(Stream(s)) {
					links[s] = t
				}
			}
		}
	}
	relinks := links != p.links
	p.links = links
	p.set.Store(&toxicSet{all})
	p.mu.Unlock()
	if relinks {
		p.relink()
	}
	p.follow()
	return nil
}

// Toxic returns the toxic with the given name, and whether there is one.
func (p *Proxy) Toxic(name string) (t Toxic, ok bool) {
	if t := p.set.Load().find(name); t != nil {
		return t.Toxic, true
	}
	return Toxic{}, false
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
	for _, other := range p.set.Load().all {
		b, ok := other.Attributes.(Link)
		if !ok || other == instead {
			continue
		}
		switch {
		case t.Stream == Both || other.Stream == Both || t.Stream == other.Stream:
			return &apiError{text: fmt.Sprintf("the stream already has a link, the toxic %q: change it, or remove it first", other.Name), status: http.StatusConflict}
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
