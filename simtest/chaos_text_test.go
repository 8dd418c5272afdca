package simtest

import (
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fault's line parses as it was written, whatever the names of its hosts.
func TestScheduleIsReadAsItIsWritten(t *testing.T) {
	const s = time.Second
	ab := [][]string{{"a", "b"}, {"c"}}
	for line, f := range map[string]scheduledFault{
		"fault 12.5s partition a,b | c for 3s":                       {at: 12500 * time.Millisecond, kind: partitionFault, sides: ab, lasts: 3 * s},
		"fault 0s partition a,b > c for 1ns":                         {kind: partitionFault, sides: ab, oneWay: true, lasts: 1},
		"fault 1m0s partition a | b | c for 1h0m0s":                  {at: time.Minute, kind: partitionFault, sides: [][]string{{"a"}, {"b"}, {"c"}}, lasts: time.Hour},
		"fault 1s kill a,b for 3s":                                   {at: s, kind: killFault, sides: ab[:1], lasts: 3 * s},
		"fault 1s crash c for 3s":                                    {at: s, kind: crashFault, sides: ab[1:], lasts: 3 * s},
		"fault 1s pause c for 3s":                                    {at: s, kind: pauseFault, sides: ab[1:], lasts: 3 * s},
		"fault 1s restart c":                                         {at: s, kind: restartFault, sides: ab[1:]},
		"fault 1s slow a,b > c by 1.5ms for 3s":                      {at: s, kind: slowFault, sides: ab, oneWay: true, amount: 1500 * time.Microsecond, lasts: 3 * s},
		"fault 1s lossy a,b | c by 0.1% for 3s":                      {at: s, kind: lossyFault, sides: ab, percent: 0.1, lasts: 3 * s},
		"fault 1s lossy a,b | c by 100% for 3s":                      {at: s, kind: lossyFault, sides: ab, percent: 100, lasts: 3 * s},
		"fault 1s lossy a,b | c by 5e-324% for 3s":                   {at: s, kind: lossyFault, sides: ab, percent: math.SmallestNonzeroFloat64, lasts: 3 * s},
		"fault 1s reset a,b | c":                                     {at: s, kind: resetFault, sides: ab},
		"fault 1s hold a,b > c for 3s":                               {at: s, kind: holdFault, sides: ab, oneWay: true, lasts: 3 * s},
		"fault 1s skew c by -1m0s for 3s":                            {at: s, kind: skewFault, sides: ab[1:], amount: -time.Minute, lasts: 3 * s},
		"fault 1s name c for 2562047h47m16.854775807s":               {at: s, kind: nameFault, sides: ab[1:], lasts: math.MaxInt64},
		`fault 1s kill "for","by",kill,1s,"a,b","|",">","\"" for 3s`: {at: s, kind: killFault, sides: [][]string{{"for", "by", "kill", "1s", "a,b", "|", ">", `"`}}, lasts: 3 * s},
		`fault 1s kill "ä","\xff","\u200b" for 3s`:                   {at: s, kind: killFault, sides: [][]string{{"ä", "\xff", "\u200b"}}, lasts: 3 * s},
	} {
		require.NoError(t, f.invalid())
		assert.Equal(t, line, f.String())
		got, err := parseSchedule(line)
		require.NoError(t, err, line)
		assert.Equal(t, chaosSchedule{f}, got)
	}
}

// The lines in the documentation of Chaos are in canonical form.
func TestDocumentedSchedule(t *testing.T) {
	source, err := os.ReadFile("chaos_mix.go")
	require.NoError(t, err)
	words := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^\t//\t(fault .*)$`).FindAllStringSubmatch(string(source), -1) {
		got, err := parseSchedule(match[1])
		require.NoError(t, err, match[1])
		assert.Equal(t, match[1]+"\n", got.String())
		words[got[0].kind.String()] = true
	}
	assert.ElementsMatch(t, faultWords(), keysOf(words))
}

// Lines written by hand may be less tidy.
func TestScheduleByHand(t *testing.T) {
	const neat = "fault 1s kill a,b for 1m0s\nfault 2s partition a | b,c for 500ms\nfault 2s reset a | b\nfault 3s kill for for 1s\n"
	got, err := parseSchedule("\n# what went wrong\nfault 2s   partition\ta|b , \"c\"  for .5s\r\n  fault 2s reset a | b\nfault 3s kill for for 1s\n\tfault 1s kill a,b for 60s")
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(neat, "kill for", `kill "for"`, 1), got.String(), "by time")
	again, err := parseSchedule(got.String())
	require.NoError(t, err)
	assert.Equal(t, got, again)
	none, err := parseSchedule("")
	require.NoError(t, err)
	assert.NotNil(t, none)
	assert.Empty(t, none.lines())
	assert.Equal(t, strings.Split(strings.TrimSpace(got.String()), "\n"), got.lines())
}

// An invalid line is reported with its number and how to fix it.
func TestInvalidScheduleLines(t *testing.T) {
	for line, want := range map[string]string{
		"falt 1s kill a for 1s":                 `it begins with "falt": a line of a schedule begins with "fault", as in "fault 12.5s partition a,b | c for 3s"`,
		"fault 1s kill":                         `a fault is a time, a kind and hosts, as in "fault 12.5s partition a,b | c for 3s"`,
		"fault 1 kill a for 1s":                 `"1" is not a duration: write a number and a unit, such as 1.5s`,
		`fault "1s" kill a for 1s`:              `"1s" is not a duration: write a number and a unit, such as 1.5s`,
		"fault -1s kill a for 1s":               `the time is -1s: it must be 0s or more`,
		"fault 1s burn a for 1s":                `"burn" is not a kind of fault: it must be one of partition, kill, crash, pause, restart, slow, lossy, reset, hold, skew, name`,
		`fault 1s "kill" a for 1s`:              `"kill" is not a kind of fault: it must be one of partition, kill, crash, pause, restart, slow, lossy, reset, hold, skew, name`,
		"fault 1s kill a":                       `a kill must last for more than 0s, as in "fault 12.5s kill a for 3s"`,
		"fault 1s kill a for 0s":                `a kill must last for more than 0s, as in "fault 12.5s kill a for 3s"`,
		"fault 1s kill a for -1s":               `a kill must last for more than 0s, as in "fault 12.5s kill a for 3s"`,
		"fault 1s kill a for":                   `"for" is superfluous: a line looks like "fault 12.5s kill a for 3s"`,
		"fault 1s kill a b for 1s":              `"b" is superfluous: a line looks like "fault 12.5s kill a for 3s"`,
		"fault 1s kill a for 1s for 1s":         `"for" is superfluous: a line looks like "fault 12.5s kill a for 3s"`,
		"fault 1s kill a | b for 1s":            `a kill has no sides: name its hosts with commas, as in "fault 12.5s kill a for 3s"`,
		"fault 1s kill a by 1s for 1s":          `a kill has no amount: write it without 'by', as in "fault 12.5s kill a for 3s"`,
		"fault 1s kill a by 1% for 1s":          `a kill has no amount: write it without 'by', as in "fault 12.5s kill a for 3s"`,
		"fault 1s kill a,, b for 1s":            `the name of a host is missing: hosts are written as in "fault 12.5s kill a for 3s"`,
		"fault 1s kill a,a for 1s":              `host "a" is named twice`,
		"fault 1s kill a/b for 1s":              `the name of a host is missing: hosts are written as in "fault 12.5s kill a for 3s"`,
		`fault 1s kill "a:1" for 1s`:            `"a:1" cannot be a host's name`,
		`fault 1s kill localhost for 1s`:        `"localhost" cannot be a host's name`,
		`fault 1s kill "a for 1s`:               `a quoted name has no closing quote, or is not quoted as in Go: "a for 1s`,
		"fault 1s restart a for 1s":             `a restart has no duration: write it without 'for', as in "fault 12.5s restart a"`,
		"fault 1s reset a":                      `a reset is between hosts: name two sides, as in "fault 12.5s reset a | b"`,
		"fault 1s reset a > b":                  `'>' is for one direction between two sides of a partition, slow, lossy or hold: write '|'`,
		"fault 1s hold a > b > c for 1s":        `'>' is for one direction between two sides of a partition, slow, lossy or hold: write '|'`,
		"fault 1s hold a > b | c for 1s":        `there are both '|' and '>': use only one of them between sides`,
		"fault 1s hold a | a for 1s":            `host "a" is named twice`,
		"fault 1s slow a | b for 1s":            `a slow needs a latency of more than 0, as in "fault 12.5s slow a | b by 200ms for 3s"`,
		"fault 1s slow a | b by -1s for 1s":     `a slow needs a latency of more than 0, as in "fault 12.5s slow a | b by 200ms for 3s"`,
		"fault 1s slow a | b by 5% for 1s":      `"5%" is not an amount of a slow fault: write it as in "fault 12.5s slow a | b by 200ms for 3s"`,
		"fault 1s lossy a | b by 1s for 1s":     `"1s" is not an amount of a lossy fault: write it as in "fault 12.5s lossy a > b by 10% for 3s"`,
		"fault 1s lossy a | b by 100.1% for 1s": `a lossy needs a percentage of more than 0% and up to 100%, as in "fault 12.5s lossy a > b by 10% for 3s"`,
		"fault 1s lossy a | b by 0% for 1s":     `a lossy needs a percentage of more than 0% and up to 100%, as in "fault 12.5s lossy a > b by 10% for 3s"`,
		"fault 1s lossy a | b by NaN% for 1s":   `a lossy needs a percentage of more than 0% and up to 100%, as in "fault 12.5s lossy a > b by 10% for 3s"`,
		"fault 1s lossy a | b by x% for 1s":     `"x%" is not a percentage: write it as in "fault 12.5s lossy a > b by 10% for 3s"`,
		"fault 1s lossy a | b for 1s":           `a lossy needs a percentage of more than 0% and up to 100%, as in "fault 12.5s lossy a > b by 10% for 3s"`,
		"fault 1s skew a by 0s for 1s":          `"0s" is not an amount of a skew fault: write it as in "fault 12.5s skew a by -200ms for 3s"`,
		"fault 1s skew a for 1s":                `a skew needs a duration other than 0, as in "fault 12.5s skew a by -200ms for 3s"`,
	} {
		_, err := parseSchedule("\n" + line)
		assert.EqualError(t, err, "line 2: "+want, line)
	}
	_, err := parseSchedule(strings.Repeat("\n", maxReplay+1))
	assert.EqualError(t, err, "it has 1048577 bytes: a schedule has at most 1048576")
}

// Every schedule that parses is written in canonical form, which parses to the same
// schedule.
func FuzzSchedule(f *testing.F) {
	for _, form := range faultForms {
		f.Add(form.example)
	}
	f.Add("# x\n\nfault 1s kill \"\\xff\",\"for\" for 1s\r\nfault 0s name a for 1us")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSchedule(text)
		if err != nil {
			return
		}
		neat := s.String()
		again, err := parseSchedule(neat)
		require.NoError(t, err, neat)
		require.Equal(t, s, again)
		require.Equal(t, neat, again.String())
	})
}
