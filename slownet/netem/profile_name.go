package netem

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/slowpoetry/slowpoetry/internal/enumerate"
	"github.com/slowpoetry/slowpoetry/internal/spelling"
)

// ProfileByName returns the profile of this package with the given name, in any
// spelling: case, spaces, dashes, underscores and the slash do not matter, so
// "WebPageTest 3G Fast" is "webpagetest/3gfast". The family may be omitted if
// only one family has a profile with that name: "satellite" is
// "loadero/satellite".
//
// Chrome's family is also called "devtools" and "chrome-devtools". DevTools
// renamed two of its profiles in May 2024 (crbug.com/342406608) without
// changing their figures. The old names work, too, since Puppeteer and many
// tutorials still use them: "slow 3g" is "chrome/3g" and "fast 3g" is
// "chrome/slow-4g". WebPageTest puts the words in the other order: "3g slow" is
// "webpagetest/3gslow", whose figures differ from DevTools' "slow 3g".
//
// A name that exists in several families, such as "3g", is an error that lists
// them. The error for an unknown name lists all known names, and suggests the
// nearest one if there is one.
func ProfileByName(name string) (Profile, error) {
	key := profileKey(name)
	var inFamilies []Profile
	for _, p := range presets {
		full, short := profileKeys(p.Name)
		if slices.Contains(full, key) {
			return p, nil
		}
		if slices.Contains(short, key) {
			inFamilies = append(inFamilies, p)
		}
	}
	switch len(inFamilies) {
	case 0:
		return Profile{}, fmt.Errorf("netem: there is no profile %.40q%s: the names are %s",
			name, nearestProfile(key), enumerate.Words(namesOf(presets), "and"))
	case 1:
		return inFamilies[0], nil
	}
	return Profile{}, fmt.Errorf("netem: profile %.40q: is it %s?", name, enumerate.Words(namesOf(inFamilies), "or"))
}

// MustProfile is ProfileByName for a name that is known to be valid: it panics
// on an error.
func MustProfile(name string) Profile {
	profile, err := ProfileByName(name)
	if err != nil {
		panic(err.Error())
	}
	return profile
}

// formerNames are DevTools' names of profiles until May 2024; see
// front_end/core/sdk/NetworkManager.ts.
var formerNames = map[string][]string{
	"chrome/3g":      {"slow-3g"},
	"chrome/slow-4g": {"fast-3g"},
}

// otherFamilyNames are alternative names of families.
var otherFamilyNames = map[string][]string{
	"chrome": {"devtools", "chrome-devtools"},
}

// profileKeys returns the keys of all names of a profile, with and without its
// family.
func profileKeys(name string) (full, short []string) {
	family, rest, _ := strings.Cut(name, "/")
	for _, rest := range append([]string{rest}, formerNames[name]...) {
		short = append(short, profileKey(rest))
		for _, family := range append([]string{family}, otherFamilyNames[family]...) {
			full = append(full, profileKey(family+rest))
		}
	}
	return full, short
}

// profileKey returns the same key for all spellings of a name.
func profileKey(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("-_/", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

func namesOf(profiles []Profile) (names []string) {
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	return names
}

// nearestProfile returns the profile whose name is the fewest edits away from the
// key, or none if no name is near.
func nearestProfile(key string) string {
	nearest, fewest := "", max(1, len(key)/3)+1
	for _, p := range presets {
		full, short := profileKeys(p.Name)
		for _, known := range append(full, short...) {
			if n := spelling.Distance(key, known) / spelling.Edit; n < fewest && n < len(known) {
				nearest, fewest = p.Name, n
			}
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (is it %s?)", nearest)
}
