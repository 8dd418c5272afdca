package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/address"
	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A File is the content of a configuration file: the proxies to run.
type File struct {
	Seed    *uint64 // nil if it has none
	Proxies []Config

	isToxiproxy bool // it is Toxiproxy's
}

type fileJSON struct {
	Seed        *uint64               `json:"seed"`
	Bottlenecks map[string]netem.Rate `json:"bottlenecks"`
	Proxies     []fileProxyJSON       `json:"proxies"`
}

type fileProxyJSON struct {
	Name         string       `json:"name"`
	Listen       string       `json:"listen"`
	To           string       `json:"to"`
	Enabled      *bool        `json:"enabled"`
	DeadUpstream DeadUpstream `json:"deadUpstream"`
	IdleTimeout  jsonDuration `json:"idleTimeout"`
	pathJSON
	Toxics   []Toxic  `json:"toxics"`
	Schedule Schedule `json:"schedule"`
}

// A pathJSON is the links of a proxy in a file.
type pathJSON struct {
	Profile    json.RawMessage `json:"profile,omitempty"`
	Down       json.RawMessage `json:"down,omitempty"`
	Up         json.RawMessage `json:"up,omitempty"`
	Congestion string          `json:"congestion,omitempty"`
	Scope      string          `json:"scope,omitempty"`
}

// linkNames are the names of the toxics for a pathJSON.
var linkNames = []string{"link", "down", "up"}

// ParseFile reads a configuration file. An object has this form:
//
//	{
//	  "seed": 7,
//	  "bottlenecks": {"uplink": "10Mbit/s"},
//	  "proxies": [
//	    {"name": "web", "listen": ":8080", "to": "localhost:80", "profile": "webpagetest/3g"},
//	    {"name": "db", "listen": "5433", "to": "unix:/run/postgresql/.s.PGSQL.5432",
//	     "down": {"latency": "40ms", "loss": "1%"}, "up": {"latency": "40ms", "bottleneck": "uplink"},
//	     "scope": "connection", "deadUpstream": "refuse",
//	     "toxics": [{"type": "limit_data", "attributes": {"bytes": 100000}}],
//	     "schedule": {"steps": [{"at": "10s", "profile": "webpagetest/edge"}], "repeat": "20s"}}
//	  ]
//	}
//
// Only name, listen and to are required. An address is PORT, :PORT or HOST:PORT, with a
// udp: prefix for datagrams, or unix:PATH; the default host is 127.0.0.1. An array is a
// Toxiproxy configuration, whose addresses are used unchanged.
func ParseFile(data []byte) (File, error) {
	v, err := jsonvalue.Parse(data)
	if err != nil {
		return File{}, err
	}
	if v.Kind() == '[' {
		return parseToxiproxyFile(data)
	}
	var in fileJSON
	if err := checkFields(v, reflect.TypeOf(in)); err != nil {
		return File{}, err
	}
	if err := strictly(data, &in); err != nil {
		return File{}, inProxy(data, err)
	}
	f := File{Seed: in.Seed}
	names := map[string]bool{}
	for i, p := range in.Proxies {
		c, err := p.config(in.Bottlenecks)
		if err == nil && names[c.Name] {
			err = errors.New("another proxy has the same name: give each its own")
		}
		if err != nil {
			return File{}, fmt.Errorf("proxy %s: %w", nameOf(p.Name, i), err)
		}
		names[c.Name] = true
		f.Proxies = append(f.Proxies, c)
	}
	return f, nil
}

// inProxy adds the proxy to an error that is in a proxy of the file and has no line
// number.
func inProxy(data []byte, err error) error {
	var in struct {
		Proxies []json.RawMessage `json:"proxies"`
	}
	if strings.HasPrefix(err.Error(), "line ") || json.Unmarshal(data, &in) != nil {
		return err
	}
	for i, text := range in.Proxies {
		var p fileProxyJSON
		if strictly(text, &p) != nil {
			return fmt.Errorf("proxy %s: %w", nameOf(p.Name, i), err)
		}
	}
	return err
}

// nameOf returns the name of a proxy for an error.
func nameOf(name string, i int) string {
	if name == "" {
		return fmt.Sprint(i + 1)
	}
	return fmt.Sprintf("%q", name)
}

// parseToxiproxyFile parses a Toxiproxy configuration.
func parseToxiproxyFile(data []byte) (f File, err error) {
	f.isToxiproxy = true
	var input []proxyInput
	if err := json.Unmarshal(data, &input); err != nil {
		return f, inLine(data, reflect.TypeOf(input), err)
	}
	for i, in := range input {
		c := in.config()
		if err := c.check(); err != nil {
			return f, fmt.Errorf("proxy %s: %w", nameOf(in.Name, i), err)
		}
		f.Proxies = append(f.Proxies, c)
	}
	return f, nil
}

// check reports an error of a configuration.
func (c Config) check() error {
	s := &Server{}
	s.init()
	defer s.poller.close()
	_, err := newProxy(s, c)
	return err
}

func (p fileProxyJSON) config(bottlenecks map[string]netem.Rate) (c Config, err error) {
	c = Config{Name: p.Name, Disabled: p.Enabled != nil && !*p.Enabled, DeadUpstream: p.DeadUpstream, IdleTimeout: time.Duration(p.IdleTimeout), Schedule: p.Schedule}
	switch {
	case p.Name == "":
		return c, errors.New(`"name" is missing: give one`)
	case p.Listen == "":
		return c, errors.New(`"listen" is missing: give it, such as ":8080"`)
	case p.To == "":
		return c, errors.New(`"to" is missing: give it, such as "localhost:80"`)
	}
	if c.Listen, err = ParseAddress(p.Listen, true); err != nil {
		return c, fmt.Errorf("listen: %w", err)
	}
	if c.Upstream, err = ParseAddress(p.To, false); err != nil {
		return c, fmt.Errorf("to: %w", err)
	}
	if c.Toxics, err = p.toxics(); err != nil {
		return c, err
	}
	c.Toxics = append(c.Toxics, p.Toxics...)
	for _, toxics := range c.all() {
		for i, t := range toxics {
			if a, ok := t.Attributes.(Link); ok && a.Bottleneck != "" && a.BottleneckRate == 0 {
				if a.BottleneckRate = bottlenecks[a.Bottleneck]; a.BottleneckRate == 0 {
					return c, fmt.Errorf(`there is no bottleneck %.40q: give its rate in "bottlenecks"`, a.Bottleneck)
				}
				toxics[i].Attributes = a
			}
		}
	}
	return c, c.check()
}

// all returns the toxics of a configuration, and the toxics of each step of its schedule.
func (c *Config) all() [][]Toxic {
	all := [][]Toxic{c.Toxics}
	for _, step := range c.Schedule.Steps {
		all = append(all, step.Set)
	}
	return all
}

// toxics returns the toxics for the links.
func (p *pathJSON) toxics() (toxics []Toxic, err error) {
	scope, err := parseScope(p.Scope)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Profile != nil && (p.Down != nil || p.Up != nil):
		return nil, errors.New("there are both a profile and a link (down or up): give only one of them")
	case p.Profile == nil && p.Down == nil && p.Up == nil && (p.Congestion != "" || p.Scope != ""):
		return nil, errors.New("congestion and scope need a link: give a profile, down or up")
	}
	add := func(name string, s Stream, members map[string]json.RawMessage) {
		if p.Congestion != "" {
			members["congestion"], _ = json.Marshal(p.Congestion)
		}
		link, readErr := readLinkMembers(members)
		if readErr != nil {
			err = errors.Join(err, inField(name, readErr))
		}
		toxics = append(toxics, Toxic{Name: name, Stream: s, Toxicity: 1, Scope: scope, Attributes: link})
	}
	if p.Profile != nil {
		add("link", Both, map[string]json.RawMessage{"profile": p.Profile})
	}
	for _, l := range []struct {
		name   string
		stream Stream
		text   json.RawMessage
	}{{"down", Downstream, p.Down}, {"up", Upstream, p.Up}} {
		if l.text == nil {
			continue
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(l.text, &members); err != nil {
			return nil, inField(l.name, err)
		}
		add(l.name, l.stream, members)
	}
	return toxics, err
}

// ParseAddress parses an address as a user types it: PORT, :PORT or HOST:PORT with an
// optional udp: or tcp: prefix, or unix:PATH. The default host is 127.0.0.1. Port 0,
// which means any free port, is only for listening.
func ParseAddress(s string, listen bool) (string, error) {
	e, err := parseEndpoint(s, "tcp")
	if err != nil || e.network == "unix" {
		return e.String(), err
	}
	minPort := 1
	if listen {
		minPort = 0
	}
	e.address, err = address.Parse(e.address, minPort)
	if strings.HasPrefix(s, "tcp:") {
		return "tcp:" + e.address, err
	}
	return e.String(), err
}

// strictly parses valid JSON without unknown fields.
func strictly(data []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return inLine(data, reflect.TypeOf(value).Elem(), err)
	}
	return nil
}

// inLine adds the line to an error of parsing JSON into a value of a type, if the error is
// about the type of a value in it.
func inLine(data []byte, t reflect.Type, err error) error {
	if line, err := inWordsAt("", data, t, err); line > 0 {
		return fmt.Errorf("line %d: %w", line, err)
	}
	if text, cut := strings.CutPrefix(err.Error(), "json: "); cut {
		return errors.New(text)
	}
	return err
}
