package trace_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A key log is stored next to the events, and changes neither their number nor their
// digest.
func TestKeyLog(t *testing.T) {
	var text bytes.Buffer
	w, err := trace.NewWriter(&text, header)
	require.NoError(t, err)
	require.NoError(t, w.KeyLog("CLIENT_RANDOM 01 02\n"))
	for _, e := range events {
		require.NoError(t, w.Write(&e))
	}
	require.NoError(t, w.KeyLog("EXPORTER_SECRET 03 04"))
	assert.ErrorContains(t, w.KeyLog("CLIENT_RANDOM 05\nCLIENT_RANDOM 06"), "write them one by one")
	require.NoError(t, w.Close())
	assert.Contains(t, text.String(), "\n{\"keylog\":\"CLIENT_RANDOM 01 02\"}\n")

	r, err := trace.NewReader(&text)
	require.NoError(t, err)
	assert.Nil(t, r.KeyLog())
	got, err := r.ReadAll()
	require.NoError(t, err)
	assert.Equal(t, events, got)
	assert.Equal(t, "CLIENT_RANDOM 01 02\nEXPORTER_SECRET 03 04\n", string(r.KeyLog()))
}

func TestKeyLogsOfDamagedFiles(t *testing.T) {
	for line, want := range map[string]string{
		`{"keylog":"a\nb"}`: `trace: line 2: "keylog" is "a\nb": it must be one line`,
		`{"keylog":7}`:      `trace: line 2: "keylog" is a number`,
	} {
		r, err := trace.NewReader(strings.NewReader(`{"format":"slowpoetry-trace","version":1}` + "\n" + line + "\n"))
		require.NoError(t, err)
		_, err = r.ReadAll()
		assert.ErrorContains(t, err, want)
	}
}
