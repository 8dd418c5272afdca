package netem

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProfileByNameTakesAnySpelling(t *testing.T) {
	t.Parallel()
	for want, spellings := range map[string][]string{
		"chrome/3g": {
			"slow 3g", "Slow 3G", "slow-3g", "SLOW_3G", "Slow3G", "devtools/slow 3g", "DevTools/Slow-3G",
			"Chrome DevTools/3G", "chrome/slow-3g", "chrome-devtools/3g", "devtools 3g",
		},
		"chrome/slow-4g":     {"slow 4g", "Slow-4G", "devtools/slow_4g", "fast 3g", "Fast 3G", "fast-3g", "devtools/fast-3g", "Chrome/Slow 4G", " slow\t4g "},
		"chrome/fast-4g":     {"fast 4g", "FAST4G", "devtools/Fast 4G"},
		"webpagetest/3gfast": {"WebPageTest/3GFast", "3g fast", "webpagetest-3g-fast"},
		"webpagetest/3gslow": {"3GSlow", "WebPageTest 3G Slow"},
		"loadero/satellite":  {"satellite"},
		"comcast/dsl-poor":   {"dsl poor", "comcast/dslpoor"},
	} {
		for _, spelling := range spellings {
			p, err := ProfileByName(spelling)
			require.NoError(t, err, spelling)
			assert.Equal(t, want, p.Name, spelling)
		}
	}
}

func TestEveryProfileIsFoundByItsName(t *testing.T) {
	t.Parallel()
	for _, want := range Profiles() {
		for _, spelling := range []string{want.Name, strings.ToUpper(want.Name), strings.ReplaceAll(want.Name, "/", " ")} {
			p, err := ProfileByName(spelling)
			require.NoError(t, err)
			assert.Equal(t, want, p, spelling)
		}
	}
}

func TestAmbiguousProfileNameIsNotGuessed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"3G":   `"3G": is it webpagetest/3g, chrome/3g or apple/3g?`,
		"Edge": `"Edge": is it webpagetest/edge, apple/edge or comcast/edge?`,
	} {
		_, err := ProfileByName(name)
		assert.ErrorContains(t, err, want)
	}
}

func TestAnUnknownProfileListsAllNamesAndTheNearest(t *testing.T) {
	t.Parallel()
	var all []string
	for _, p := range Profiles() {
		all = append(all, p.Name)
	}
	for name, want := range map[string]string{
		"Chrome/2g":                ` (is it chrome/3g?)`,
		"devtols/slow 3g":          ` (is it chrome/3g?)`,
		"wepagetest/cabel":         ` (is it webpagetest/cable?)`,
		"satelite":                 ` (is it loadero/satellite?)`,
		"firefox/wifi":             "",
		"":                         "",
		"/":                        "",
		"carrier pigeon":           "",
		strings.Repeat("slow ", 9): "",
	} {
		_, err := ProfileByName(name)
		assert.ErrorContains(t, err, want+": the names are webpagetest/cable, ", name)
		for _, known := range all {
			assert.ErrorContains(t, err, known, name)
		}
		if want == "" {
			assert.NotContains(t, err.Error(), "is it", name)
		}
	}
}

func TestMustProfilePanicsOnUnknownNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "apple/edge", MustProfile("apple/edge").Name)
	assert.PanicsWithValue(t, `netem: profile "edge": is it webpagetest/edge, apple/edge or comcast/edge?`, func() { MustProfile("edge") })
}
