package slownet

import (
	"io"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Names that have moved to package netem. They are for programs that have not moved
// with them yet, and are removed before the first release.
type (
	// Deprecated: use netem.Link.
	Link = netem.Link
	// Deprecated: use netem.Rate.
	Rate = netem.Rate
	// Deprecated: use netem.Pace.
	Pace = netem.Pace
	// Deprecated: use netem.Jitter.
	Jitter = netem.Jitter
	// Deprecated: use netem.Distribution.
	Distribution = netem.Distribution
	// Deprecated: use netem.Loss.
	Loss = netem.Loss
	// Deprecated: use netem.GilbertElliott.
	GilbertElliott = netem.GilbertElliott
	// Deprecated: use netem.Markov.
	Markov = netem.Markov
	// Deprecated: use netem.Chance.
	Chance = netem.Chance
	// Deprecated: use netem.Replay.
	Replay = netem.Replay
	// Deprecated: use netem.Bottleneck.
	Bottleneck = netem.Bottleneck
	// Deprecated: use netem.Profile.
	Profile = netem.Profile
)

// Deprecated: use the constants of package netem.
const (
	BitPerSecond = netem.BitPerSecond
	Kbps         = netem.Kbps
	Mbps         = netem.Mbps
	Gbps         = netem.Gbps
)

// Deprecated: use netem.NewBottleneck.
func NewBottleneck(rate netem.Rate) *netem.Bottleneck { return netem.NewBottleneck(rate) }

// Deprecated: use netem.ParseRate.
func ParseRate(s string) (netem.Rate, error) { return netem.ParseRate(s) }

// Deprecated: use netem.ParseReplay.
func ParseReplay(r io.Reader) (*netem.Replay, error) { return netem.ParseReplay(r) }

// Deprecated: use netem.Profiles.
func Profiles() []netem.Profile { return netem.Profiles() }

// Deprecated: use netem.ProfileByName.
func ProfileByName(name string) (netem.Profile, error) { return netem.ProfileByName(name) }

// Deprecated: use netem.ParseProfile.
func ParseProfile(data []byte) (netem.Profile, error) { return netem.ParseProfile(data) }
