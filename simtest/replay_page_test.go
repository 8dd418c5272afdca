package simtest

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page on replay files shows a file with every key, in canonical form, and
// describes every key.
func TestReplayPage(t *testing.T) {
	page, err := os.ReadFile("../docs/replay.md")
	require.NoError(t, err)
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	example := regexp.MustCompile("(?s)```text\n(.*?)```").FindStringSubmatch(text)
	require.NotNil(t, example)
	r, err := parseReplay("the example", []byte(example[1]))
	require.NoError(t, err)
	assert.Equal(t, example[1], r.text())
	for _, key := range append([]string{keyFormat}, replayKeys...) {
		assert.Regexp(t, "(?m)^"+key+" ", example[1])
		assert.Regexp(t, "(?m)^\\| `"+key+"` \\|", text)
	}
	for _, what := range drawWords {
		assert.Contains(t, text, "`"+what+"`")
	}
}
