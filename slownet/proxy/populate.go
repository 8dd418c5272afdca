package proxy

import (
	"encoding/json"
	"fmt"
)

// Populate adds the proxies of a JSON array, as Toxiproxy's file and its /populate have
// it, and returns them. A proxy that is there and has the same addresses stays as it
// is; one with others is replaced. After an error, those before it are there, and are
// returned too, unless the array itself is wrong.
func (s *Server) Populate(data []byte) ([]Config, error) {
	s.init()
	var input []proxyInput
	if err := json.Unmarshal(data, &input); err != nil {
		return nil, badRequest(err)
	}
	for i, in := range input {
		switch {
		case in.Name == "":
			return nil, missing(fmt.Sprintf("name at proxy %d", i+1))
		case in.Upstream == "":
			return nil, missing(fmt.Sprintf("upstream at proxy %d", i+1))
		}
	}
	all := make([]Config, 0, len(input))
	for _, in := range input {
		p, err := s.addOrReplace(in.config())
		if err != nil {
			return all, err
		}
		all = append(all, p.Config())
	}
	return all, nil
}

// addOrReplace adds a proxy, instead of one with the same name and other addresses.
func (s *Server) addOrReplace(c Config) (*Proxy, error) {
	if p := s.Proxy(c.Name); p != nil {
		differs, err := p.differs(c.Listen, c.Upstream)
		if err != nil || !differs {
			return p, err
		}
		if err := s.Remove(c.Name); err != nil && err != errProxyNotFound {
			return nil, err
		}
	}
	return s.Add(c)
}
