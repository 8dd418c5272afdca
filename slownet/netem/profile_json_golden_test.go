package netem

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Profiles written by earlier versions, when a queue was only a number of
// bytes, are read and written as before.
func TestProfilesOfEarlierVersions(t *testing.T) {
	file, err := os.Open("testdata/profiles.jsonl")
	require.NoError(t, err)
	defer file.Close()
	queues := map[string][2]Queue{
		"everything":      {{Bytes: 64000}, {Bytes: 1}},
		"short":           {{Bytes: 1 << 30}, {}},
		"written by hand": {{Bytes: 65536}, {Bytes: 1500}},
	}
	count := 0
	for lines := bufio.NewScanner(file); lines.Scan(); count++ {
		p, err := ParseProfile(lines.Bytes())
		require.NoError(t, err)
		assert.Equal(t, queues[p.Name], [2]Queue{p.Down.Queue, p.Up.Queue}, p.Name)
		if preset, err := ProfileByName(p.Name); err == nil {
			assert.Equal(t, [2]Link{preset.Down, preset.Up}, [2]Link{p.Down, p.Up})
		}
		text, err := json.Marshal(p)
		require.NoError(t, err)
		if p.Name == "written by hand" {
			assert.JSONEq(t, `{"name":"written by hand","down":{"rate":"1500kbit/s","queue":65536},"up":{"queue":1500}}`, string(text))
			continue
		}
		assert.Equal(t, lines.Text(), string(text))
	}
	assert.Equal(t, 29, count)
}
