package sweep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shard returns the report of one shard of a search over 100 seeds.
func shard(index, total int, groups ...Group) Report {
	r := Report{
		Package: "x/y", Test: "TestX", Search: 1, Go: "go1.26 linux/amd64",
		Shard: Shard{index, total}, Wanted: Range{0, 99},
		Groups: groups, Clock: time.Hour, Took: time.Duration(index) * time.Second, Workers: 2,
	}
	for _, g := range groups {
		r.Failed += g.Count
	}
	for seed := range uint64(100) {
		if r.Shard.Has(seed) {
			if len(r.Ran) == 0 {
				r.Ran = []Range{{seed, seed}}
			}
			r.Ran[0].Last = seed
			r.Traces.Add(seed * 12345)
			r.Shapes.Add(seed / 50)
		}
	}
	return r
}

func group(id string, seeds ...uint64) Group {
	return Group{ID: id, Message: "read " + id, Place: "x.go:1", Count: len(seeds), Seeds: seeds, Rerun: fmt.Sprint("SIMTEST_SEED=", seeds[0]), Output: fmt.Sprint("output of ", seeds[0])}
}

// Written reports are read back, one per line.
func TestReadWrittenReports(t *testing.T) {
	var file bytes.Buffer
	one, two := shard(1, 2, group("a", 4, 8)), shard(2, 2)
	one.Ended, one.Skipped = "interrupted", 3
	one.Ran = []Range{{0, 10}, {50, 50}}
	require.NoError(t, one.Append(&file))
	require.NoError(t, two.Append(&file))
	assert.Equal(t, 2, strings.Count(file.String(), "\n"))
	assert.Contains(t, file.String(), `{"simtest_search":1,`)
	reports, err := Read(&file)
	require.NoError(t, err)
	assert.Equal(t, []Report{one, two}, reports)
	assert.EqualValues(t, 7, one.Seeds())
}

// A file that is damaged, newer or not a report causes an error with the line number.
func TestReadGarbage(t *testing.T) {
	var good bytes.Buffer
	report := shard(1, 2, group("a", 4, 8))
	require.NoError(t, report.Append(&good))
	line := good.String()
	for text, want := range map[string]string{
		"":                            "the file is empty",
		line + "\n":                   "line 2: the report is damaged",
		line + line[:len(line)/2]:     "line 2: the report is damaged",
		"{}\n":                        "line 1: this is not the report of a search",
		"[]\n":                        "line 1: the report is damaged",
		"<html>\n":                    "line 1: the report is damaged",
		`{"simtest_search":2}` + "\n": "line 1: format version 2 is unknown: this program reads versions up to 1; use a newer slownet",
		`{"simtest_search":0}` + "\n": "line 1: format version 0",
		`{"simtest_search":1}` + "\n": "line 1: the report is damaged: it does not name its search",
		strings.Replace(line, `"test"`, `"tset"`, 1):                                        `line 1: the report is damaged: json: unknown field "tset"`,
		strings.Replace(line, `"index":1`, `"index":3`, 1):                                  "line 1: the report is damaged: its shard is 3 of 2",
		strings.Replace(line, `"index":1`, `"index":2`, 1):                                  "line 1: the report is damaged: not all seeds 0-98 belong to shard 2/2",
		strings.Replace(line, `"0-98"`, `"98-0"`, 1):                                        `"98-0" is not a range of seeds`,
		strings.Replace(line, `[4,8]`, `[]`, 1):                                             "a group of failures has no seed",
		strings.Replace(line, `"traces":["`, `"traces":["x`, 1):                             "is no hash",
		line[:strings.Index(line, `,"groups"`)] + line[strings.Index(line, `,"simulated`):]: "it does not say what has failed",
	} {
		_, err := Read(strings.NewReader(text))
		assert.ErrorContains(t, err, want, text)
	}
}

func TestRange(t *testing.T) {
	for text, want := range map[string]Range{"7": {7, 7}, "5-9": {5, 9}, "5-": {5, Endless}, "5-18446744073709551615": {5, math.MaxUint64}} {
		r, err := ParseRange(text)
		require.NoError(t, err)
		assert.Equal(t, want, r)
		again, err := ParseRange(r.String())
		require.NoError(t, err)
		assert.Equal(t, r, again)
	}
	for _, text := range []string{"", "-", "-5", "9-5", "a", "5-a", "1-2-3", "99999999999999999999"} {
		_, err := ParseRange(text)
		assert.Error(t, err, text)
	}
}

// All shards together are one search, whatever their order.
func TestJoin(t *testing.T) {
	var reports []Report
	for i := range 16 {
		var groups []Group
		switch i {
		case 3:
			groups = []Group{group("a", 19, 35), group("b", 67)}
		case 2:
			groups = []Group{group("a", 2)}
		}
		reports = append(reports, shard(i+1, 16, groups...))
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(16, func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
	s := Join(reports)
	assert.Empty(t, s.Problems)
	assert.Equal(t, 4, s.Failed)
	require.Len(t, s.Searches, 1)
	j := s.Searches[0]
	assert.EqualValues(t, 100, j.Seeds)
	assert.Zero(t, j.Repeated)
	assert.Equal(t, 16, j.Shards)
	assert.Equal(t, 16*time.Hour, j.Clock)
	assert.Equal(t, 16*time.Second, j.Took)
	assert.Equal(t, "100", j.Traces.String())
	assert.Equal(t, "2", j.Shapes.String())
	require.Len(t, j.Groups, 2)
	assert.Equal(t, []uint64{2, 19, 35}, j.Groups[0].Seeds)
	assert.Equal(t, 3, j.Groups[0].Count)
	assert.Equal(t, "output of 2", j.Groups[0].Output, "the output of the first seed")
	assert.Equal(t, []uint64{67}, j.Groups[1].Seeds)
}

// Missing and inconsistent reports are listed as problems.
func TestJoinProblems(t *testing.T) {
	other := shard(1, 2)
	other.Wanted.Last = 999
	for want, reports := range map[string][]Report{
		"x/y TestX: no report of shard 2 of 3":                                           {shard(1, 3), shard(3, 3)},
		"x/y TestX: no report of shards 1, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 5 more of 16": {shard(2, 16)},
		"x/y TestX: the reports have different numbers of shards":                        {shard(1, 2), shard(2, 3)},
		"x/y TestX: the shards have different seeds: 0-99 and 0-999":                     {shard(2, 2), other},
	} {
		assert.Equal(t, []string{want}, Join(reports).Problems)
	}
	s := Join([]Report{shard(1, 2), shard(1, 2), shard(2, 2)})
	assert.Empty(t, s.Problems)
	assert.EqualValues(t, 100, s.Searches[0].Seeds)
	assert.EqualValues(t, 50, s.Searches[0].Repeated)
	second, otherTest := shard(1, 1), shard(1, 1)
	second.Search, otherTest.Test = 2, "TestA"
	s = Join([]Report{second, shard(1, 1), otherTest})
	require.Len(t, s.Searches, 3)
	assert.Equal(t, "TestA", s.Searches[0].Name())
	assert.Equal(t, "TestX", s.Searches[1].Name())
	assert.Equal(t, "TestX, search 2", s.Searches[2].Name())
}

// The count of few values is exact, and the count of many values is close, however the
// values are distributed over machines.
func TestDistinct(t *testing.T) {
	for _, n := range []int{0, 1, 500, 511, 5_000, 200_000} {
		var all Distinct
		parts := make([]Distinct, 7)
		for i := range n {
			all.Add(uint64(i))
			parts[i%7].Add(uint64(i))
			parts[(i+1)%7].Add(uint64(i))
		}
		var joined Distinct
		for _, part := range parts {
			text, err := json.Marshal(part)
			require.NoError(t, err)
			var read Distinct
			require.NoError(t, json.Unmarshal(text, &read))
			joined.Join(read)
		}
		assert.Equal(t, all, joined)
		count, exact := joined.Count()
		assert.Equal(t, n < 512, exact)
		if exact {
			assert.Equal(t, n, count)
		} else {
			assert.InEpsilon(t, n, count, 0.15)
			assert.Regexp(t, `^about \d\d0+$`, joined.String())
		}
	}
}

// A page shows the failures, and no content of a message breaks its format.
func TestMarkdown(t *testing.T) {
	g := group("a", 4, 8)
	g.Message, g.Count, g.Output = "read `x` | <b>y</b>\nmore", 12, "```\nout\n```"
	s := Join([]Report{shard(1, 1, g)})
	page := s.Markdown()
	assert.Contains(t, page, "## Search over seeds: 12 seeds failed\n")
	assert.Contains(t, page, "| `TestX` | 100 | 12 | 1 of 1 | 100 | 2 | 1h0m0s | 1s |\n")
	assert.Contains(t, page, "\n### `TestX`: ``read `x` | <b>y</b> more``\n\n12 seeds at `x.go:1`: 4, 8 and 10 more\n\n```sh\nSIMTEST_SEED=4\n```\n")
	assert.Contains(t, page, "\n````\n```\nout\n```\n````\n")
	clean := Join([]Report{shard(1, 1)})
	assert.True(t, strings.HasPrefix(clean.Markdown(), "## Search over seeds: none failed\n"))
	incomplete := Join([]Report{shard(1, 2)})
	assert.True(t, strings.HasPrefix(incomplete.Markdown(), "## Search over seeds: incomplete\n\n**Incomplete:** `x/y TestX: no report of shard 2 of 2`\n"))
	document, err := json.Marshal(s)
	require.NoError(t, err)
	assert.Contains(t, string(document), `"traces":100,"shapes":2,"exact":true`)
}

func FuzzRead(f *testing.F) {
	var good bytes.Buffer
	report := shard(1, 2, group("a", 4, 8))
	_ = report.Append(&good)
	f.Add(good.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		reports, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		s := Join(reports)
		_ = s.Markdown()
	})
}

// Failing replay files come before seeds, even if other shards have found the same
// failure with a seed.
func TestJoinReplays(t *testing.T) {
	broken := Group{ID: "b", Message: "read b", Rerun: "SIMTEST_REPLAY=x.replay", Output: "replayed", Replays: 1, Replay: "x.replay", ReplayText: "fault 1s kill a for 1s\n", Note: "a note"}
	one := shard(1, 2, broken)
	one.Replays, one.ReplaysFailed = 3, 1
	two := shard(2, 2, group("a", 1), group("b", 3))
	var file bytes.Buffer
	require.NoError(t, one.Append(&file))
	again, err := Read(&file)
	require.NoError(t, err)
	for _, reports := range [][]Report{{again[0], two}, {two, again[0]}} {
		s := Join(reports)
		assert.Equal(t, "1 replay file and 2 seeds", s.WhatFailed())
		assert.Equal(t, 3, s.Searches[0].Replays)
		require.Len(t, s.Searches[0].Groups, 2)
		broken.Seeds, broken.Count = []uint64{3}, 1
		assert.Equal(t, broken, s.Searches[0].Groups[0])
		page := s.Markdown()
		assert.Contains(t, page, "## Search over seeds: 1 replay file and 2 seeds failed\n")
		assert.Contains(t, page, "1 replay file and 1 seed: `x.replay`; 3\n\n```\na note\n```\n\n```sh\nSIMTEST_REPLAY=x.replay\n```\n\n`x.replay`:\n\n```\nfault 1s kill a for 1s\n```\n\n<details><summary>Output of the replay</summary>")
	}
}
