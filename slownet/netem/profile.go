package netem

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// A Profile is a path in both directions, as a client sees it: two links, each
// shared by everything that crosses it (see [Link]). With
// simtest.Sim.SetProfile that is the connections and sockets of two hosts, with
// simtest.Host.SetAccess all traffic of a host, with slownet.NewDialer the
// connections of that dialer. Profiles come from [ProfileByName], from a file
// through [ParseProfile], or from literals in the program. The zero Profile
// passes everything at once.
//
// The latency of a link is one way: ping shows the sum of Down and Up. With
// package slownet, wrap only one end of a connection, with ClientConfig or with
// ServerConfig: wrapping both applies the path twice.
type Profile struct {
	// Name is the profile's name for ProfileByName, in lower case; those of
	// this package have a family and a name, such as "webpagetest/3g". It may
	// be empty.
	Name string `json:"name,omitzero"`

	// Source says where the figures come from, and how they were converted.
	Source string `json:"source,omitzero"`

	// Down is the link that carries what the client receives.
	Down Link `json:"down,omitzero"`

	// Up is the link that carries what the client sends.
	Up Link `json:"up,omitzero"`

	// Lookup is the additional time that the client needs to look up a name.
	// Zero is none. In package slownet only the Dialer looks up names: a
	// connection that is wrapped has been dialled already.
	Lookup time.Duration `json:"lookup,omitzero"`
}

// Validate reports the first invalid value of the profile: the link and the
// field, the value, and what is allowed.
func (p Profile) Validate() error {
	if err := p.check(func(l Link) error { return l.invalid() }); err != nil {
		return fmt.Errorf("netem: profile %w", err)
	}
	return nil
}

// check reports an invalid profile by its name.
func (p *Profile) check(invalid func(Link) error) error {
	down, up := invalid(p.Down), invalid(p.Up)
	switch {
	case !utf8.ValidString(p.Name):
		return fmt.Errorf("%q: Name is not UTF-8", p.Name)
	case !utf8.ValidString(p.Source):
		return fmt.Errorf("%q: Source is not UTF-8: %q", p.Name, p.Source)
	case down != nil:
		return fmt.Errorf("%q: Down: %w", p.Name, down)
	case up != nil:
		return fmt.Errorf("%q: Up: %w", p.Name, up)
	}
	if err := p.invalidLookup(); err != nil {
		return fmt.Errorf("%q: %w", p.Name, err)
	}
	return nil
}

func (p *Profile) invalidLookup() error {
	if p.Lookup < 0 {
		return mustBe("Lookup", p.Lookup, "0 (none) or more")
	}
	return nil
}

// Symmetric returns a profile with the same link in both directions.
func Symmetric(link Link) Profile { return Profile{Down: link, Up: link} }

// Profiles returns the profiles of this package. They are those of well-known
// tools: WebPageTest, Chrome's developer tools, Apple's Network Link
// Conditioner, gRPC's benchmarks, Comcast and Loadero. The Source of each says
// whether the tool states its latency one way or as a round trip, which is
// halved.
func Profiles() []Profile { return slices.Clone(presets) }
