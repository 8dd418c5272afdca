package netem

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An untrusted profile must not take much more memory than its length.
func TestParseProfileAllocatesLittleMoreThanTheText(t *testing.T) {
	const elements = 100_000
	for name, test := range map[string]struct {
		text  string
		wrong string // part of the error
	}{
		"distribution":   {text: `{"up": {"jitter": {"deviation": "1ms", "distribution": [` + strings.Repeat("1,", elements) + `1]}}}`},
		"replay":         {text: `{"up": {"replay": [` + strings.Repeat("1,", elements) + `1]}}`},
		"replay, lines":  {text: `{"up": {"replay": [` + strings.Repeat("1,\n", elements) + `1]}}`},
		"unknown fields": {`{"up": {` + strings.Repeat(`"a":1,`, elements) + `"b":1}}`, `there is no field "a"`},
		"no model":       {`{"up": {"loss": {` + strings.Repeat(`"a":1,`, elements) + `"b":1}}}`, "there is no model"},
		"nested":         {`{"up": {"replay": [` + strings.Repeat("[1],", elements) + `1]}}`, "it is an array"},
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(test.text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ParseProfile(data)
			runtime.ReadMemStats(&after)
			if test.wrong == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.wrong)
			}
			times := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(data))
			assert.Less(t, times, 8.0, "bytes allocated for each byte of the text")
		})
	}
}

func TestParseProfileAllocatesNothingForAnElement(t *testing.T) {
	profile := func(elements int) []byte {
		return []byte(`{"up": {"replay": [` + strings.Repeat("1, ", elements) + `2]}}`)
	}
	allocs := func(text []byte) float64 {
		return testing.AllocsPerRun(10, func() { _, _ = ParseProfile(text) })
	}
	assert.InDelta(t, allocs(profile(10)), allocs(profile(10_000)), 3)
}
