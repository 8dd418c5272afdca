package netem

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// A Profile is a path in both directions, from a client's point of view: two
// links, each shared by all traffic that crosses it (see [Link]). With
// simtest.Sim.SetProfile that is the traffic between two hosts, with
// simtest.Host.SetAccess all traffic of a host, and with slownet.NewDialer the
// traffic of the dialer's connections. Profiles come from [ProfileByName], from
// files through [ParseProfile], or from literals in the program. The zero Profile
// passes everything at once.
//
// The latency of a link is one-way: ping shows the sum of Down and Up. With
// package slownet, wrap only one end of a connection, with ClientConfig or
// ServerConfig: wrapping both ends applies the path twice.
type Profile struct {
	// Name is the profile's name for ProfileByName, in lower case. The names of
	// this package's profiles consist of a family and a name, such as
	// "webpagetest/3g". Name may be empty.
	Name string `json:"name,omitzero"`

	// Source says where the figures come from, and how they were converted.
	Source string `json:"source,omitzero"`

	// Down is the link to the client.
	Down Link `json:"down,omitzero"`

	// Up is the link from the client.
	Up Link `json:"up,omitzero"`

	// Lookup is the additional time that the client needs to look up a name.
	// Zero means none. In package slownet only the Dialer looks up names: a wrapped
	// connection has already been dialled.
	Lookup time.Duration `json:"lookup,omitzero"`
}

// Validate returns an error if the profile is invalid. It names the first invalid
// field, its link and its value, and says what is allowed.
func (p Profile) Validate() error {
	if err := p.check(func(l Link) error { return l.invalid() }); err != nil {
		return fmt.Errorf("netem: profile%w", err)
	}
	return nil
}

// check returns an error if the profile is invalid. The error continues the word "profile":
// it begins with a space and the name, if there is one.
func (p *Profile) check(invalid func(Link) error) error {
	name := ""
	if p.Name != "" {
		name = fmt.Sprintf(" %q", p.Name)
	}
	down, up := invalid(p.Down), invalid(p.Up)
	switch {
	case !utf8.ValidString(p.Name):
		return fmt.Errorf("%s: Name is not UTF-8", name)
	case !utf8.ValidString(p.Source):
		return fmt.Errorf("%s: Source is not UTF-8: %q", name, p.Source)
	case down != nil:
		return fmt.Errorf("%s: Down: %w", name, down)
	case up != nil:
		return fmt.Errorf("%s: Up: %w", name, up)
	}
	if err := p.invalidLookup(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
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

// Profiles returns the profiles of this package, which come from well-known
// tools: WebPageTest, Chrome's developer tools, Apple's Network Link Conditioner,
// gRPC's benchmarks, Comcast and Loadero. The Source of each profile says whether
// the tool states one-way latencies or round trips, which are halved.
func Profiles() []Profile { return slices.Clone(presets) }
