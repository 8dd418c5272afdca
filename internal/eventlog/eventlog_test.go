package eventlog

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFormat(t *testing.T) {
	f := Plain
	for _, s := range []string{"", "JSON", "xml", "text "} {
		assert.EqualError(t, f.Set(s), "want plain, text or json", "%q", s)
		assert.Equal(t, "plain", f.String())
	}
	for _, s := range []string{"json", "text", "plain"} {
		require.NoError(t, f.Set(s))
		assert.Equal(t, s, f.String())
	}
}

// Whatever an event contains, its record is a single line.
func TestRecords(t *testing.T) {
	evil := "two\nlines \x1b[31m\" msg=forged"
	written := func(format Format) string {
		var out strings.Builder
		l := New(&out, format)
		l.Tell("plain", slog.LevelWarn, "gone", slog.String("error", evil), slog.Int("bytes", 3))
		<-l.Close()
		return out.String()
	}
	assert.Equal(t, "plain\n", written(Plain))
	assert.Regexp(t, `^time=\S+ level=WARN msg=gone error="two\\nlines \\x1b\[31m\\" msg=forged" bytes=3\n$`, written(Text))
	line := written(JSON)
	assert.Equal(t, len(line)-1, strings.Index(line, "\n"))
	var record map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &record))
	delete(record, "time")
	assert.Equal(t, map[string]any{"level": "WARN", "msg": "gone", "error": evil, "bytes": 3.0}, record)
}
