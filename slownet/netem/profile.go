package netem

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// A Profile is a path in both directions, as a client sees it: two links, each
// shared by all that crosses it, see [Link]. With simtest.Sim.SetProfile these are the
// connections and sockets of two hosts, with simtest.Host.SetAccess all that a host
// does, with slownet.NewDialer the connections of that dialer. Profiles come from
// [ProfileByName], from a file by way of [ParseProfile], or are written down in the
// program. The zero Profile passes everything at once.
//
// The latency of a link is one way: what ping shows is that of Down and Up
// together. With package slownet, wrap one end of a connection only, by ClientConfig
// or by ServerConfig: if both are wrapped, the path is there twice.
type Profile struct {
	// Name is what ProfileByName knows the profile by: lower-case, and for
	// those of this package a family and a name, such as "webpagetest/3g". It
	// may be empty.
	Name string `json:"name,omitzero"`

	// Source says where the figures are from, and what was made of them.
	Source string `json:"source,omitzero"`

	// Down is the link over which travels what the client receives.
	Down Link `json:"down,omitzero"`

	// Up is the link over which travels what the client sends.
	Up Link `json:"up,omitzero"`

	// Lookup is how much longer it takes the client to look up a name. Zero is
	// no longer. A connection that package slownet wraps has been dialled before;
	// there, its Dialer looks up names.
	Lookup time.Duration `json:"lookup,omitzero"`
}

// Validate reports the first thing about the profile that cannot be: the link
// and the field of it, the value, and what is allowed.
func (p Profile) Validate() error {
	if err := p.check(func(l Link) error { return l.invalid() }); err != nil {
		return fmt.Errorf("netem: profile %w", err)
	}
	return nil
}

// check reports what is wrong with the profile, and by its name with which.
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

// Symmetric returns a profile whose two directions have the same link.
func Symmetric(link Link) Profile { return Profile{Down: link, Up: link} }

// Profiles returns the profiles of this package. They are those of well-known
// tools: WebPageTest, Chrome's developer tools, Apple's Network Link
// Conditioner, gRPC's benchmarks, Comcast and Loadero. The Source of each says
// whether the tool states its latency one way or for a round trip, which is
// halved.
func Profiles() []Profile { return slices.Clone(presets) }
