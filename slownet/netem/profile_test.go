package netem

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProfilesAreValidAndNameTheirSource(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	for _, p := range Profiles() {
		require.NoError(t, p.Validate())
		assert.Equal(t, strings.ToLower(p.Name), p.Name)
		assert.Regexp(t, `one way|round trip`, p.Source, p.Name)
		assert.False(t, there[p.Name], "%s is there twice", p.Name)
		there[p.Name] = true
	}
}

func TestProfilesComeInOrder(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range Profiles() {
		names = append(names, p.Name)
	}
	assert.Equal(t, strings.Fields(`
		webpagetest/cable webpagetest/dsl webpagetest/fios webpagetest/dial webpagetest/3g webpagetest/3gfast
		webpagetest/3gslow webpagetest/edge webpagetest/2g webpagetest/4g webpagetest/lte
		chrome/3g chrome/slow-4g chrome/fast-4g
		apple/edge apple/3g apple/very-bad-network apple/high-latency-dns
		grpc/lan grpc/wan grpc/longhaul
		comcast/gprs comcast/edge comcast/dial-up comcast/dsl-poor
		loadero/satellite`), names)
}

func TestProfilesAreACopy(t *testing.T) {
	t.Parallel()
	Profiles()[0].Name = "changed"
	assert.Equal(t, "webpagetest/cable", Profiles()[0].Name)
}

func TestPresetsHaveTheirToolsFigures(t *testing.T) {
	t.Parallel()
	const ms, us = time.Millisecond, time.Microsecond
	lost := func(p float64) Loss { return Loss{Random: p} }
	figures := map[string][2]Link{
		"webpagetest/3g":         {{Rate: 1600 * Kbps, Latency: 150 * ms}, {Rate: 768 * Kbps, Latency: 150 * ms}},
		"webpagetest/edge":       {{Rate: 240 * Kbps, Latency: 420 * ms}, {Rate: 200 * Kbps, Latency: 420 * ms}},
		"webpagetest/fios":       {{Rate: 20 * Mbps, Latency: 2 * ms}, {Rate: 5 * Mbps, Latency: 2 * ms}},
		"webpagetest/dial":       {{Rate: 49 * Kbps, Latency: 60 * ms}, {Rate: 30 * Kbps, Latency: 60 * ms}},
		"chrome/slow-4g":         {{Rate: 1600 * Kbps, Latency: 75 * ms}, {Rate: 750 * Kbps, Latency: 75 * ms}},
		"chrome/fast-4g":         {{Rate: 9 * Mbps, Latency: 30 * ms}, {Rate: 1500 * Kbps, Latency: 30 * ms}},
		"apple/edge":             {{Rate: 240 * Kbps, Latency: 400 * ms}, {Rate: 200 * Kbps, Latency: 440 * ms}},
		"apple/3g":               {{Rate: 780 * Kbps, Latency: 100 * ms}, {Rate: 330 * Kbps, Latency: 100 * ms}},
		"apple/very-bad-network": {{Rate: Mbps, Latency: 500 * ms, Loss: lost(0.1)}, {Rate: Mbps, Latency: 500 * ms, Loss: lost(0.1)}},
		"apple/high-latency-dns": {{}, {}},
		"webpagetest/cable":      {{Rate: 5 * Mbps, Latency: 14 * ms}, {Rate: Mbps, Latency: 14 * ms}},
		"webpagetest/dsl":        {{Rate: 1500 * Kbps, Latency: 25 * ms}, {Rate: 384 * Kbps, Latency: 25 * ms}},
		"webpagetest/3gfast":     {{Rate: 1600 * Kbps, Latency: 75 * ms}, {Rate: 768 * Kbps, Latency: 75 * ms}},
		"webpagetest/3gslow":     {{Rate: 780 * Kbps, Latency: 100 * ms}, {Rate: 330 * Kbps, Latency: 100 * ms}},
		"webpagetest/2g":         {{Rate: 35 * Kbps, Latency: 650 * ms}, {Rate: 32 * Kbps, Latency: 650 * ms}},
		"webpagetest/4g":         {{Rate: 9 * Mbps, Latency: 85 * ms}, {Rate: 9 * Mbps, Latency: 85 * ms}},
		"webpagetest/lte":        {{Rate: 12 * Mbps, Latency: 35 * ms}, {Rate: 12 * Mbps, Latency: 35 * ms}},
		"chrome/3g":              {{Rate: 500 * Kbps, Latency: 200 * ms}, {Rate: 500 * Kbps, Latency: 200 * ms}},
		"grpc/wan":               {{Rate: 20 * Mbps, Latency: 30 * ms}, {Rate: 20 * Mbps, Latency: 30 * ms}},
		"comcast/gprs":           {{Rate: 50 * Kbps, Latency: 250 * ms, Loss: lost(0.02)}, {Rate: 50 * Kbps, Latency: 250 * ms, Loss: lost(0.02)}},
		"comcast/dsl-poor":       {{Rate: 2 * Mbps, Latency: 35 * ms, Loss: lost(0.02)}, {Rate: 2 * Mbps, Latency: 35 * ms, Loss: lost(0.02)}},
		"grpc/lan":               {{Rate: 100 * Mbps, Latency: 2 * ms}, {Rate: 100 * Mbps, Latency: 2 * ms}},
		"grpc/longhaul":          {{Rate: Gbps, Latency: 200 * ms}, {Rate: Gbps, Latency: 200 * ms}},
		"comcast/edge":           {{Rate: 250 * Kbps, Latency: 150 * ms, Loss: lost(0.015)}, {Rate: 250 * Kbps, Latency: 150 * ms, Loss: lost(0.015)}},
		"comcast/dial-up":        {{Rate: 40 * Kbps, Latency: 92500 * us, Loss: lost(0.02)}, {Rate: 40 * Kbps, Latency: 92500 * us, Loss: lost(0.02)}},
		"loadero/satellite":      {{Rate: Mbps, Latency: 300 * ms}, {Rate: 256 * Kbps, Latency: 300 * ms}},
	}
	assert.Len(t, figures, len(Profiles()), "every one is checked")
	for name, want := range figures {
		p, err := ProfileByName(name)
		require.NoError(t, err)
		assert.Equal(t, want, [2]Link{p.Down, p.Up}, name)
		assert.Equal(t, name == "apple/high-latency-dns", p.Lookup == 3*time.Second, name)
	}
}

func TestProfileValidateSaysWhere(t *testing.T) {
	t.Parallel()
	require.NoError(t, Profile{}.Validate())
	for want, p := range map[string]Profile{
		` "a": Down: Latency is -1s: it must be 0 or more`:                   {Name: "a", Down: Link{Latency: -time.Second}},
		` "a": Up: Rate is -1bit/s: it must be 0 (no limit) or more`:         {Name: "a", Up: Link{Rate: -1}},
		`: Up: Loss.Random is 2: it must be between 0 and 1 (1.5% is 0.015)`: {Up: Link{Loss: Loss{Random: 2}}},
		`: Lookup is -1s: it must be 0 (none) or more`:                       {Lookup: -time.Second},
		` "\xff": Name is not UTF-8`:                                         {Name: "\xff"},
		` "a": Source is not UTF-8: "\xff"`:                                  {Name: "a", Source: "\xff"},
	} {
		assert.EqualError(t, p.Validate(), "netem: profile"+want)
	}
}

func TestSymmetricIsTheSameBothWays(t *testing.T) {
	t.Parallel()
	link := Link{Latency: time.Second}
	assert.Equal(t, Profile{Down: link, Up: link}, Symmetric(link))
}
