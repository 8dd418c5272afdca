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
		`{{setting "cpu"}}, {{rounds}} rounds; {{met true}}, {{met false}}`)
	require.NoError(t, err)
	assert.Equal(t, "2.75 45 352.7 1.234567e+06 3500 some processor, 2 rounds; met, **missed**", got)
}

// A page that names what was not measured is a mistake, not a hole.
func TestWhatIsNotThere(t *testing.T) {
	for _, template := range []string{
		`{{table "Nothing" "" "ns/piece"}}`,
		`{{ratio "Pieces" "conns=10" "ns/piece" "ours" "floor"}}`,
		`{{value "Pieces" "conns=3" "MB/s" "ours"}}`,
		`{{onlyValue "Pieces" "conns" "ns/piece" "ours"}}`,
	} {
		_, err := page(t, template)
		assert.Error(t, err, template)
	}
}
