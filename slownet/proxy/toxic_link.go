package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Link makes connections travel over a link of the model, as packets of TCP or as
// datagrams; see package netem. In JSON it has the fields of a link in a profile,
// see [netem.ParseProfile], and "profile", "congestion" and "bottleneck".
//
// All connections of a proxy share its links, unless the scope of the toxic is
// [PerConnection]. With [PerServer] the links of all proxies that have a toxic with
// the same name share the rate. A proxy has at most one link for each stream.
type Link struct {
	// Link is the link for the toxic's stream; with [Both], for each of them.
	Link netem.Link

	// Profile, if not nil, replaces Link: its Down is the downstream link, its Up the
	// upstream one. Its Lookup delays connecting.
	Profile *netem.Profile

	// Congestion is the congestion control of TCP over the link. Zero is [netem.CUBIC].
	Congestion netem.Congestion

	// Bottleneck is the name of a bottleneck. All links in the server that name it
	// share it. Empty is none.
	Bottleneck string

	// BottleneckRate is the rate of the Bottleneck. Zero keeps the rate that it has.
	BottleneckRate netem.Rate
}

// over returns the link for a stream, without the bottleneck.
func (a Link) over(s Stream) netem.Link {
	switch {
	case a.Profile == nil:
		return a.Link
	case s == Upstream:
		return a.Profile.Up
	}
	return a.Profile.Down
}

func (Link) kind() string { return "link" }

func (a Link) validate() error {
	if a.Profile != nil {
		if !a.Link.IsZero() {
			return errors.New("there are both a profile and fields of a link: give only one of them")
		}
		if err := a.Profile.Validate(); err != nil {
			return err
		}
	}
	if err := a.Link.Validate(); err != nil {
		return err
	}
	if err := (netem.TCP{Congestion: a.Congestion}).Validate(); err != nil {
		return err
	}
	if a.Bottleneck == "" {
		if a.BottleneckRate != 0 {
			return errors.New("the bottleneck has a rate but no name: give it one")
		}
		return nil
	}
	for _, s := range []Stream{Downstream, Upstream} {
		if l := a.over(s); l.Rate != 0 || l.Replay != nil {
			if a.Profile == nil {
				return errors.New("there are a bottleneck and a rate or a replay: give only one of them")
			}
		}
	}
	return nil
}

// A linkJSON is the attributes of a link in JSON.
type linkJSON struct{ Link }

type bottleneckJSON struct {
	Name string     `json:"name"`
	Rate netem.Rate `json:"rate,omitzero"`
}

func (a Link) fields() any              { return &linkJSON{a} }
func (Link) with(fields any) Attributes { return fields.(*linkJSON).Link }

// congestions are the names of congestion controls in JSON.
var congestions = map[string]netem.Congestion{"cubic": netem.CUBIC, "reno": netem.Reno, "unlimited": netem.Unlimited}

// members returns the members of the link's JSON object.
func (l *linkJSON) members() (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	text, err := json.Marshal(l.Link.Link)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	set := func(name string, value any) {
		if err == nil {
			members[name], err = json.Marshal(value)
		}
	}
	if p := l.Profile; p != nil {
		set("profile", p)
		if known, err := netem.ProfileByName(p.Name); err == nil && known == *p {
			set("profile", p.Name)
		}
	}
	for name, c := range congestions {
		if c == l.Congestion {
			set("congestion", name)
		}
	}
	if l.Bottleneck != "" {
		set("bottleneck", bottleneckJSON{l.Bottleneck, l.BottleneckRate})
	}
	return members, err
}

// MarshalJSON writes the attributes that are not zero.
func (l *linkJSON) MarshalJSON() ([]byte, error) {
	members, err := l.members()
	if err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// UnmarshalJSON changes the attributes that are present; null removes one.
func (l *linkJSON) UnmarshalJSON(data []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil {
		return err
	}
	members, err := l.members()
	if err != nil {
		return err
	}
	for name, value := range given {
		if string(value) == "null" {
			delete(members, name)
		} else {
			members[name] = value
		}
	}
	read, err := readLinkMembers(members)
	if err == nil {
		l.Link = read
	}
	return err
}

func readLinkMembers(members map[string]json.RawMessage) (a Link, err error) {
	take := func(name string, read func(json.RawMessage) error) {
		if value, ok := members[name]; ok && err == nil {
			delete(members, name)
			if err = read(value); err != nil {
				err = inField(name, err)
			}
		}
	}
	take("profile", func(value json.RawMessage) error {
		p, err := readProfileOrName(value)
		a.Profile = &p
		return err
	})
	take("congestion", func(value json.RawMessage) error {
		var name string
		if err := json.Unmarshal(value, &name); err != nil {
			return err
		}
		var ok bool
		if a.Congestion, ok = congestions[name]; !ok {
			return fmt.Errorf(`there is no %.40q: it must be "cubic", "reno" or "unlimited"`, name)
		}
		return nil
	})
	take("bottleneck", func(value json.RawMessage) error {
		var b bottleneckJSON
		if err := json.Unmarshal(value, &b.Name); err != nil {
			if err := json.Unmarshal(value, &b); err != nil {
				return err
			}
		}
		if b.Name == "" {
			return errors.New(`it has no name: give it one, such as {"name": "uplink", "rate": "10Mbit/s"}`)
		}
		a.Bottleneck, a.BottleneckRate = b.Name, b.Rate
		return nil
	})
	if err != nil {
		return a, err
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(rest, &a.Link); err != nil {
		return a, errors.New(strings.TrimPrefix(err.Error(), "netem: link, line 1: "))
	}
	return a, nil
}

// inField adds the name of a field to an error about its value.
func inField(name string, err error) error {
	if words := inWordsOfJSON(name, err); words != err {
		return words
	}
	return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "netem: "))
}

// readProfileOrName parses a profile, which is an object or the name of a preset.
func readProfileOrName(data json.RawMessage) (netem.Profile, error) {
	var name string
	if json.Unmarshal(data, &name) == nil {
		return netem.ProfileByName(name)
	}
	return netem.ParseProfile(data)
}
