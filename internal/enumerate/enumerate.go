// Package enumerate lists words as a sentence does.
package enumerate

import "strings"

// Words lists words with a conjunction before the last: "a, b and c".
func Words(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
