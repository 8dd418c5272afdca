package proxy

import (
	"encoding/json"
	"fmt"
)

// Populate adds the proxies of a JSON array, which has the format of Toxiproxy's file and
// of /populate, and returns them. An existing proxy with the same name and addresses
// stays; one with the same name and other addresses is replaced. On an error, the proxies
// before it have been added, and are returned, unless the array itself is invalid.
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

// addOrReplace adds a proxy. It replaces a proxy with the same name and other addresses.
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
	return s.addLiterally(c)
}
