package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sample = `cpu: some processor
BenchmarkPieces/conns=3/by=ours-2   1   3000 ns/piece   40 us/connect
BenchmarkPieces/conns=3/by=floor-2  1   2000 ns/piece
PASS
BenchmarkPieces/conns=3/by=floor-2  1   1000 ns/piece
BenchmarkPieces/conns=3/by=ours-2   1   4000 ns/piece   50 us/connect
BenchmarkPieces/conns=10/by=ours-2  1   1234567 ns/piece
BenchmarkHTTP/by=ours               1   170 MB/s
`

func page(t *testing.T, template string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	results, text := filepath.Join(dir, "results"), filepath.Join(dir, "template")
	require.NoError(t, os.WriteFile(results, []byte(sample), 0o666))
	require.NoError(t, os.WriteFile(text, []byte(template), 0o666))
	page, err := write(text, results)
	return string(page), err
}

func TestTable(t *testing.T) {
	got, err := page(t, `{{table "Pieces" "" "ns/piece" "floor"}}`)
	require.NoError(t, err)
	assert.Equal(t, ""+
		"| ns/piece | ours | floor |\n"+
		"|---|--:|--:|\n"+
		"| conns 3 | 3500 ±14 % | 1500 ±33 % · **2.75 ×** ±45 % |\n"+
		"| conns 10 | 1,234,567 ±0 % | |", got, "the ratio is the median of the rounds' ratios, 1.5 and 4")
	got, err = page(t, `{{figures "HTTP" "" "MB/s"}}`)
	require.NoError(t, err)
	assert.Equal(t, "| MB/s | ours |\n|---|--:|\n|  | 170 ±0 % |", got)
}

func TestNumbers(t *testing.T) {
	got, err := page(t, `{{largest "Pieces" "ns/piece" "ours" "floor"}} `+
		`{{value "Pieces" "conns=3" "us/connect" "ours"}} `+
		`{{growth "Pieces" "conns=3" "conns=10" "ns/piece" "ours" | printf "%.1f"}} `+
		`{{largestValue "Pieces" "ns/piece" "ours"}} {{lowestValue "Pieces" "ns/piece" "ours"}} `+
		`{{setting "cpu"}}, {{rounds "Pieces"}} rounds; {{met true}}, {{met false}}`)
	require.NoError(t, err)
	assert.Equal(t, "2.75 45 352.7 1.234567e+06 3500 some processor, 2 rounds; met, **missed**", got)
}

// A page shows the time of each group of functions in a profile. An incomplete profile is
// rejected.
func TestProfiles(t *testing.T) {
	directory := t.TempDir()
	profile := `File: bench
Type: cpu
      flat  flat%   sum%        cum   cum%
     2.00s 40.00% 40.00%      3.00s 60.00%  runtime.lock2
     1.00s 20.00% 60.00%      1.00s 20.00%  runtime.memmove
     1.00s 20.00% 80.00%      1.00s 20.00%  github.com/slowpoetry/slowpoetry/simtest.(*conn).Read
     0.75s 15.00% 95.00%      0.75s 15.00%  sync.(*Mutex).Lock (inline)
     0.25s  5.00%   100%      0.25s  5.00%  time.Sleep
         0     0%   100%      5.00s   100%  main.main
`
	require.NoError(t, os.WriteFile(filepath.Join(directory, "ours.txt"), []byte(profile), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "cut.txt"), []byte(profile[:200]), 0o666))
	r := &results{directory: directory}
	got, err := r.profiles("ours", "ours.txt")
	require.NoError(t, err)
	assert.Equal(t, `| % of the time | ours |
|---|--:|
| copying bytes | 20 |
| allocating and collecting garbage | 0 |
| the runtime: goroutines, channels, timers | 40 |
| mutexes and conditions | 15 |
| hashing | 0 |
| the simulator | 20 |
| everything else | 5 |`, got)
	_, err = r.profiles("ours", "cut.txt")
	assert.Error(t, err)
	_, err = r.profiles("ours", "nothing.txt")
	assert.Error(t, err)
}

// A page that names a missing measurement is an error.
func TestMissingMeasurements(t *testing.T) {
	for _, template := range []string{
		`{{table "Nothing" "" "ns/piece"}}`,
		`{{ratio "Pieces" "conns=10" "ns/piece" "ours" "floor"}}`,
		`{{value "Pieces" "conns=3" "MB/s" "ours"}}`,
		`{{rounds "Piece"}}`,
		`{{onlyValue "Pieces" "conns" "ns/piece" "ours"}}`,
	} {
		_, err := page(t, template)
		assert.Error(t, err, template)
	}
}
