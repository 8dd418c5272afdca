package simtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// fullReplay returns a replay with every field.
func fullReplay(t testing.TB) *replay {
	t.Helper()
	schedule, err := parseSchedule("fault 12.5s partition a,b | c for 3s\nfault 14s kill c for 1s")
	require.NoError(t, err)
	return &replay{
		goVersion: "go1.26.8",
		test:      "TestLeader/five_nodes",
		search:    2,
		seed:      42,
		quiet:     time.Minute,
		schedule:  schedule,
		overrides: overrides{
			natural:       true,
			noImpairments: true,
			ties:          []tieOverride{{at: 13100 * time.Millisecond, natural: true}, {at: 14 * time.Second, round: 0xa1}},
			draws: []drawOverride{
				{lineName{"a", "b,c"}, netem.Draw{ID: netem.PacketID{Flow: 0xa1, Number: 17}, Kind: netem.DrawnLoss}, netem.NeverRolled},
				{lineName{"a", ""}, netem.Draw{ID: netem.PacketID{Flow: 0xa1, Number: 18}, Kind: netem.DrawnReorder}, 0},
				{lineName{"", "*"}, netem.Draw{ID: netem.PacketID{Flow: 0xa1, Number: 18}, Kind: netem.DrawnFlip}, 1},
			},
		},
		message: "two leaders of term 3:\n\n\ta and \"b\"\r\n\"b\" and c ",
		digest:  "5f2a9c0317be44d1",
	}
}

const fullReplayText = `simtest-replay 1
go go1.26.8
test TestLeader/five_nodes
search 2
seed 42
quiet 1m0s
fault 12.5s partition a,b | c for 3s
fault 14s kill c for 1s
ties natural
tie 13.1s natural
tie 14s 00000000000000a1
draws none
draw a > "b,c" 00000000000000a1 17 loss ffffffffffffffff
draw a > * 00000000000000a1 18 reorder 0000000000000000
draw * > "*" 00000000000000a1 18 flip 0000000000000001
message two leaders of term 3:
message ""
message "\ta and \"b\"\r"
message "\"b\" and c "
digest 5f2a9c0317be44d1
`

// A replay parses as it was written.
func TestReplayIsReadAsItIsWritten(t *testing.T) {
	full := fullReplay(t)
	assert.Equal(t, fullReplayText, full.text())
	least := &replay{goVersion: "devel go1.27-abc Tue", schedule: chaosSchedule{}, digest: unknownDigest}
	for _, r := range []*replay{full, least} {
		got, err := parseReplay("x.replay", []byte(r.text()))
		require.NoError(t, err)
		assert.Equal(t, r, got)
	}
	assert.Equal(t, "simtest-replay 1\ngo devel go1.27-abc Tue\nseed 0\ndigest unknown\n", least.text())
}

// Changes by editors, or by git on Windows, do no harm.
func TestReplayThatWasEdited(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(fullReplayText, "\n"), "\n")
	mixed := append([]string{lines[0], "", "# edited", lines[len(lines)-1] + "\t "}, lines[1:len(lines)-1]...)
	for name, text := range map[string]string{
		"CRLF":              strings.ReplaceAll(fullReplayText, "\n", "\r\n"),
		"no newline at end": strings.TrimSuffix(fullReplayText, "\n"),
		"CRLF, no newline":  strings.TrimSuffix(strings.ReplaceAll(fullReplayText, "\n", "\r\n"), "\r\n"),
		"byte order mark":   "\ufeff" + fullReplayText,
		"other order":       strings.Join(mixed, "\n"),
		"faults unsorted":   strings.Replace(strings.Replace(fullReplayText, lines[7]+"\n", "", 1), lines[6], lines[7]+"\n"+lines[6], 1),
		"spaces":            strings.ReplaceAll(fullReplayText, "seed 42", "seed   42  "),
	} {
		got, err := parseReplay("x.replay", []byte(text))
		require.NoError(t, err, name)
		assert.Equal(t, fullReplay(t), got, name)
	}
}

// An invalid or damaged file is reported by name and line, with advice.
func TestInvalidReplays(t *testing.T) {
	const least = "simtest-replay 1\ngo go1.26\nseed 1\ndigest unknown\n"
	const restore = "the file is damaged: restore it from version control, or delete it"
	for name, test := range map[string]struct{ text, want string }{
		"empty":         {"", "x: the file is empty: restore it from version control, or delete it"},
		"blank":         {" \r\n\n", "x: the file is empty: restore it from version control, or delete it"},
		"huge":          {least + strings.Repeat("#\n", maxReplay/2), "x: it has more than 1048576 bytes, more than a replay file can have: delete it"},
		"foreign":       {"go test fuzz v1\nstring(\"\")\n", `x:1: this is not a replay file, which begins with "simtest-replay 1": move it elsewhere, or delete it`},
		"binary":        {"\x7fELF\x00", "x:1: the line is not text: " + restore},
		"not UTF-8":     {least + "message \xff\n", "x:5: the line is not text: " + restore},
		"control":       {least + "message a\rb\n", "x:5: the line is not text: " + restore},
		"comment first": {"# mine\n" + least, `x:1: this is not a replay file, which begins with "simtest-replay 1": move it elsewhere, or delete it`},
		"newer":         {strings.Replace(least, "replay 1", "replay 2", 1), "x:1: the format is version 2, and this simtest knows up to 1: update github.com/slowpoetry/slowpoetry, or delete the file and find the failure again"},
		"version 0":     {strings.Replace(least, "replay 1", "replay 0", 1), `x:1: the version of the format is "0", which is not a number from 1 on: ` + restore},
		"no version":    {strings.Replace(least, "replay 1", "replay", 1), `x:1: the version of the format is "", which is not a number from 1 on: ` + restore},
		"unknown key":   {least + "sede 2\n", `x:5: "sede" is not a key: it must be one of go, test, search, seed, overlay, schedule, quiet, fault, ties, tie, draws, draw, message, digest; if a newer simtest wrote the file, update github.com/slowpoetry/slowpoetry`},
		"merged":        {least + "<<<<<<< HEAD\n", "x:5: two versions were merged here: keep one of them, or both in separate files"},
		"joined":        {least + least, `x:5: "simtest-replay" is for the first line only: two files were joined: split them`},
		"two seeds":     {least + "seed 2\n", "x:5: seed: line 3 has the same key: delete one of them"},
		"two digests":   {least + "digest unknown\n", "x:5: digest: line 4 has the same key: delete one of them"},
		"two quiets":    {least + "quiet 1s\nquiet 1s\n", "x:6: quiet: line 5 has the same key: delete one of them"},
		"two ties":      {least + "tie 1s natural\ntie 1000ms natural\n", "x:6: tie: line 5 has the same key: delete one of them"},
		"two orders":    {least + "ties natural\nties natural\n", "x:6: ties: line 5 has the same key: delete one of them"},
		"order":         {least + "ties reversed\n", `x:5: ties: "reversed" is not valid for all ties: write "ties natural", or delete the line`},
		"two of draws":  {least + "draws none\ndraws none\n", "x:6: draws: line 5 has the same key: delete one of them"},
		"draws":         {least + "draws all\n", `x:5: draws: "all" is not valid for all draws: write "draws none", or delete the line`},
		"two draws":     {least + strings.Repeat(drawExample+"\n", 2), "x:6: draw: line 5 has the same key: delete one of them"},
		"no go":         {"simtest-replay 1\nseed 1\ndigest unknown\n", `x: there is no line "go": ` + restore},
		"no seed":       {"simtest-replay 1\ngo go1.26\ndigest unknown\n", `x: there is no line "seed": ` + restore},
		"cut short":     {"simtest-replay 1\ngo go1.26\nseed 1\nfault 1s kill a for 1s\n", `x: there is no line "digest", which is the last one: the file is truncated: restore it from version control, or delete it; in a file written by hand, write "digest unknown"`},
		"cut in digest": {strings.Replace(least, "unknown", "5f2a", 1), `x:4: digest: "5f2a" is not a digest, which has 16 digits from 0 to f: the file is truncated or damaged: restore it, or write "digest unknown"`},
		"empty go":      {strings.Replace(least, "go go1.26", "go", 1), "x:2: go: it is empty: write the version of Go, such as go1.26"},
		"seed":          {strings.Replace(least, "seed 1", "seed -1", 1), `x:3: seed: "-1" is not a seed: write a whole number from 0 to 18446744073709551615`},
		"empty test":    {least + "test\n", "x:5: test: it is empty: write the full name of the test, or delete the line"},
		"two tests":     {least + "test TestA\ntest TestB\n", "x:6: test: line 5 has the same key: delete one of them"},
		"search":        {least + "search 0\n", `x:5: search: "0" is not the number of a search: write its position among the test's searches, from 1 on`},
		"quiet":         {least + "quiet 0s\n", "x:5: quiet: it is 0s: write the time at which the faults are over, such as 1m0s"},
		"quiet unit":    {least + "quiet 60\n", `x:5: quiet: "60" is not a duration: write a number and a unit, such as 1.5s`},
		"fault":         {least + "fault 1s kill a\n", `x:5: fault: a kill must last for more than 0s, as in "fault 12.5s kill a for 3s"`},
		"tie":           {least + "tie 1s reversed\n", `x:5: tie: "1s reversed" is not a tie: it must be a time from 0s on, and then "natural" or 16 digits from 0 to f, as in "tie 12.5s natural"`},
		"tie time":      {least + "tie -1s natural\n", `x:5: tie: "-1s natural" is not a tie: it must be a time from 0s on, and then "natural" or 16 digits from 0 to f, as in "tie 12.5s natural"`},
		"draw":          {least + "draw a > b 00000000000000a1 17 luck ffffffffffffffff\n", `x:5: draw: "a > b 00000000000000a1 17 luck ffffffffffffffff" is not a draw: write it as in "draw a > b 00000000000000a1 17 loss ffffffffffffffff", of one of loss, duplicate, corrupt, reorder, jitter, flip`},
		"draw nowhere":  {least + "draw * > * 00000000000000a1 17 loss ffffffffffffffff\n", `x:5: draw: "* > * 00000000000000a1 17 loss ffffffffffffffff" is not a draw: write it as in "draw a > b 00000000000000a1 17 loss ffffffffffffffff", of one of loss, duplicate, corrupt, reorder, jitter, flip`},
		"message":       {least + "message \"a\n", "x:5: message: it begins with a quote but is not quoted as in Go: quote the whole value, or remove the quote"},
	} {
		r, err := parseReplay("x", []byte(test.text))
		assert.EqualError(t, err, test.want, name)
		assert.Nil(t, r)
	}
}

// A truncated file is detected, wherever it was cut.
func TestReplayThatWasCutShort(t *testing.T) {
	for n := range len(fullReplayText) - 1 {
		_, err := parseReplay("x", []byte(fullReplayText[:n]))
		assert.Error(t, err, "after %q", fullReplayText[:n])
	}
}

// A file with the maximum of overrides is parsed quickly.
func TestReplayOfManyOverrides(t *testing.T) {
	r := &replay{goVersion: "go1.26", schedule: chaosSchedule{}, digest: unknownDigest}
	for i := range 15_000 {
		r.draws = append(r.draws, drawOverride{lineName{"a", "b"}, netem.Draw{ID: netem.PacketID{Number: uint64(i)}, Kind: netem.DrawnLoss}, 0})
	}
	began := time.Now()
	got, err := parseReplay("x", []byte(r.text()))
	require.NoError(t, err)
	assert.Equal(t, r, got)
	assert.Less(t, time.Since(began), 10*time.Second)
}

// Every replay that parses is written in canonical form, which parses to the same
// replay; and no file crashes the parser.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(fullReplayText))
	f.Add([]byte(strings.ReplaceAll(fullReplayText, "\n", "\r\n")))
	f.Add([]byte("simtest-replay 1\ngo x\nseed 1\nmessage\nmessage a\tb\ndigest unknown"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseReplay("x", data)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "x:"), err)
			return
		}
		neat := r.text()
		again, err := parseReplay("x", []byte(neat))
		require.NoError(t, err, neat)
		require.Equal(t, fmt.Sprintf("%+v", r), fmt.Sprintf("%+v", again))
		require.Equal(t, neat, again.text())
	})
}
