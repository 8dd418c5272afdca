package netem

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDurationErrors(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                         `duration "" cannot be read: write it like "40ms" or "1.5s"`,
		"soon":                     `duration "soon" cannot be read: write it like "40ms" or "1.5s"`,
		"99999999 h":               `duration "99999999 h" cannot be read: write it like "40ms" or "1.5s"`,
		"40":                       `duration "40" has no unit: write it like "40ms"`,
		"99999999h":                `duration "99999999h" is too large: it must be at most 2562047h47m16.854775807s`,
		"2562047h47m16.854775808s": `duration "2562047h47m16.854775808s" is too large: it must be at most 2562047h47m16.854775807s`,
		"99999999999999999999.5ns": `duration "99999999999999999999.5ns" is too large: it must be at most 2562047h47m16.854775807s`,
		"-99999999h":               `duration "-99999999h" is negative: it must be 0 or more`,
	} {
		_, err := parseDuration(s)
		assert.EqualError(t, err, want, s)
	}
	longest, err := parseDuration("2562047h47m16.854775807s")
	require.NoError(t, err)
	assert.EqualValues(t, int64(math.MaxInt64), longest)
}

func TestPercentageIsParsedExactly(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]float64{
		"0%": 0, "1.5%": 0.015, "0.1%": 0.001, "33.3%": 0.333, "2 %": 0.02, "100%": 1, "100.000%": 1, "7%": 0.07, "99.9%": 0.999,
	} {
		got, err := parsePercent(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
	}
}

func TestParsePercentErrors(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":       `percentage "" cannot be read: write it like "1.5%"`,
		"1.5":    `percentage "1.5" has no unit: write it like "1.5%"`,
		"1e1%":   `percentage "1e1%" cannot be read: write it like "1.5%"`,
		"1,5%":   `percentage "1,5%" cannot be read: write it like "1.5%"`,
		"15ppm":  `percentage "15ppm" cannot be read: write it like "1.5%"`,
		"NaN%":   `percentage "NaN%" cannot be read: write it like "1.5%"`,
		"-1%":    `percentage "-1%" is negative: it must be between 0% and 100%`,
		"100.1%": `percentage "100.1%" is too large: it must be between 0% and 100%`,
	} {
		_, err := parsePercent(s)
		assert.EqualError(t, err, want, s)
	}
}

func TestPercentageIsFormattedAsShortAsPossible(t *testing.T) {
	t.Parallel()
	for p, want := range map[float64]string{
		0: "0%", 1: "100%", 0.5: "50%", 0.015: "1.5%", 0.001: "0.1%", 0.333: "33.3%", 0.1: "10%", 0.07: "7%", 1e-9: "0.0000001%",
		math.Copysign(0, -1): "0%", 0.30000000000000004: "30.000000000000004%",
	} {
		assert.Equal(t, want, formatPercent(p))
	}
}

func TestPercentageParsesAsFormatted(t *testing.T) {
	t.Parallel()
	source := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		p := source.Float64() * math.Pow(10, -float64(source.IntN(300)))
		got, err := parsePercent(formatPercent(p))
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
}

func TestComplementIsExactInDecimal(t *testing.T) {
	t.Parallel()
	for p, want := range map[float64]float64{0: 1, 1: 0, 0.7: 0.3, 0.9: 0.1, 0.015: 0.985, 0.01: 0.99} {
		assert.Equal(t, want, complement(p))
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"0B": 0, "1500B": 1500, "64kB": 64000, "64 KB": 64000, "64KiB": 65536, "1.5MB": 1500000, "0.5KiB": 512, "2MiB": 2 << 20, "1GB": 1e9, "1GiB": 1 << 30,
	} {
		got, err := parseBytes(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
	}
}

func TestParseBytesErrors(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":        `size "" does not begin with a number: write it like "1500B" or "64kB"`,
		"kB":      `size "kB" does not begin with a number: write it like "1500B" or "64kB"`,
		"64":      `size "64" has no unit: write it like "1500B", or as a number of bytes without quotes`,
		"64kbit":  `size "64kbit" has the unknown unit "kbit": it must be B, kB, MB, GB, KiB, MiB or GiB`,
		"-64kB":   `size "-64kB" is negative: it must be 0 or more bytes`,
		"1.2345B": `size "1.2345B" is not a whole number of bytes: round it`,
	} {
		_, err := parseBytes(s)
		assert.EqualError(t, err, want, s)
	}
	_, err := parseBytes("99999999999GiB")
	assert.ErrorContains(t, err, `size "99999999999GiB" is too large: it must be at most `)
}
