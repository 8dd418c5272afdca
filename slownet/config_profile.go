package slownet

import (
	"fmt"
	"os"
	"strings"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// ClientConfig returns the configuration that puts the path at the client's end
// of a connection: it reads from Down and writes to Up. Do not wrap the server's
// end, too: data would cross the path twice.
func ClientConfig(p netem.Profile) Config { return Config{Read: p.Down, Write: p.Up} }

// ServerConfig returns the configuration that puts the path at the server's end
// of a connection: it reads from Up and writes to Down. Do not wrap the client's
// end, too: data would cross the path twice.
func ServerConfig(p netem.Profile) Config { return Config{Read: p.Up, Write: p.Down} }

// NewDialer returns a dialer whose connections are at the client's end of the path,
// with the profile's Lookup. They share the profile's links, as the connections of
// every [Dialer] do. It panics on an invalid profile; see [netem.Profile.Validate].
func NewDialer(p netem.Profile) *Dialer {
	mustBeValid("NewDialer", p)
	return &Dialer{Config: ClientConfig(p), Lookup: p.Lookup}
}

// ReadProfile reads a profile from a JSON file, as [netem.ParseProfile] does. An
// error names the file.
func ReadProfile(path string) (netem.Profile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return netem.Profile{}, fmt.Errorf("slownet: profile: %w", err)
	}
	profile, err := netem.ParseProfile(data)
	if err != nil {
		return netem.Profile{}, fmt.Errorf("%s: %w", path, err)
	}
	return profile, nil
}

// mustBeValid panics on an error of Validate, which is a bug in the caller. what
// describes the value's role.
func mustBeValid(what string, value interface{ Validate() error }) {
	if err := value.Validate(); err != nil {
		panic("slownet: " + what + ": " + strings.TrimPrefix(err.Error(), "netem: "))
	}
}
