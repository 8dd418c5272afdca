package netem

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRateReadsCommonForms(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Rate{
		"0bit/s":                   0,
		"9600bit/s":                9600,
		"250kbit/s":                250 * Kbps,
		"1.5Mbit/s":                1500 * Kbps,
		"1Gbit/s":                  Gbps,
		"1.50000000000000Mbit/s":   1500 * Kbps,
		"0.0000005Gbit/s":          500,
		"00250 kbit/s":             250 * Kbps,
		"9600 bit":                 9600,
		"250 kbit":                 250 * Kbps,
		"3mbit":                    3 * Mbps,
		"3GBIT":                    3 * Gbps,
		"56bps":                    56,
		"56kbps":                   56 * Kbps,
		"56Mbps":                   56 * Mbps,
		"5.6gbps":                  5600 * Mbps,
		"250KBIT/S":                250 * Kbps,
		"9223372036854775807bit/s": math.MaxInt64,
		"9223372036.854775807Gbps": math.MaxInt64,
	} {
		got, err := ParseRate(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
	}
}

func TestParseRateErrors(t *testing.T) {
	t.Parallel()
	const (
		noNumber = ` does not begin with a number: write it like "250kbit/s" or "1.5Mbit/s"`
		noUnit   = ` has no unit: write it like "250kbit/s"`
		units    = `: it must be bit/s, kbit/s, Mbit/s or Gbit/s, where k is 1,000`
		fraction = ` is not a whole number of bits per second: round it`
		tooLarge = ` is too large: it must be at most 9223372036854775807bit/s`
	)
	for s, want := range map[string]string{
		"":                         `the rate is empty: write it like "250kbit/s"`,
		"250":                      `rate "250"` + noUnit,
		"250 ":                     `rate "250 "` + noUnit,
		"0":                        `rate "0"` + noUnit,
		"kbit/s":                   `rate "kbit/s"` + noNumber,
		" 250kbit/s":               `rate " 250kbit/s"` + noNumber,
		"+5bit/s":                  `rate "+5bit/s"` + noNumber,
		".5Mbit/s":                 `rate ".5Mbit/s"` + noNumber,
		"5.Mbit/s":                 `rate "5.Mbit/s"` + noNumber,
		"1.2.3Mbit/s":              `rate "1.2.3Mbit/s"` + noNumber,
		"1,5Mbit/s":                `rate "1,5Mbit/s"` + noNumber,
		"1_000bit/s":               `rate "1_000bit/s"` + noNumber,
		"Inf":                      `rate "Inf"` + noNumber,
		"-5bit/s":                  `rate "-5bit/s" is negative: it must be 0 or more`,
		"250KiB/s":                 `rate "250KiB/s" has the unknown unit "KiB/s"` + units,
		"250kB/s":                  `rate "250kB/s" has the unknown unit "kB/s"` + units,
		"1e3kbit/s":                `rate "1e3kbit/s" has the unknown unit "e3kbit/s"` + units,
		"250  kbit/s":              `rate "250  kbit/s" has the unknown unit " kbit/s"` + units,
		"250kbit/s ":               `rate "250kbit/s " has the unknown unit "kbit/s "` + units,
		"1 000kbit/s":              `rate "1 000kbit/s" has the unknown unit "000kbit/s"` + units,
		"1Tbit/s":                  `rate "1Tbit/s" has the unknown unit "Tbit/s"` + units,
		"0.5bit/s":                 `rate "0.5bit/s"` + fraction,
		"1.0005kbit/s":             `rate "1.0005kbit/s"` + fraction,
		"0.0000000005Gbit/s":       `rate "0.0000000005Gbit/s"` + fraction,
		"9223372036854775808bit/s": `rate "9223372036854775808bit/s"` + tooLarge,
		"9223372036854775807kbps":  `rate "9223372036854775807kbps"` + tooLarge,
	} {
		_, err := ParseRate(s)
		assert.EqualError(t, err, "netem: "+want, s)
	}
}

func TestRateIsText(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(map[string]Rate{"rate": 1500 * Kbps})
	require.NoError(t, err)
	assert.Equal(t, `{"rate":"1500kbit/s"}`, string(text))

	rates := map[string]Rate{}
	require.NoError(t, json.Unmarshal(text, &rates))
	assert.Equal(t, 1500*Kbps, rates["rate"])

	rate := 9 * Kbps
	require.EqualError(t, rate.UnmarshalText([]byte("9")), `netem: rate "9" has no unit: write it like "250kbit/s"`)
	assert.Equal(t, 9*Kbps, rate, "after an error")

	_, err = Rate(-1).MarshalText()
	require.EqualError(t, err, "netem: rate -1bit/s is negative: it must be 0 or more")
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{
		"", "0bit/s", "250kbit/s", "1.5 Mbit/s", "0.0000005Gbit/s", "9223372036854775807bit/s", "9223372036854775808bps",
		"-1bit/s", "1,5Mbps", "1e9bit", "0.0001kbit/s", "250KiB/s", "250", "kbit/s", "99999999999999999999999999999Gbit/s",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rate, err := ParseRate(s)
		if err != nil {
			assert.Regexp(t, `^netem: (the )?rate `, err.Error())
			return
		}
		again, err := ParseRate(rate.String())
		require.NoError(t, err)
		assert.Equal(t, rate, again)
	})
}
