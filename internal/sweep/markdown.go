package sweep

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Markdown returns the summary as a page of GitHub's Markdown.
func (s *Summary) Markdown() string {
	var page strings.Builder
	switch {
	case s.Failed+s.ReplaysFailed > 0:
		fmt.Fprintf(&page, "## Search over seeds: %s failed\n", s.WhatFailed())
	case len(s.Problems) > 0:
		page.WriteString("## Search over seeds: incomplete\n")
	default:
		page.WriteString("## Search over seeds: none failed\n")
	}
	for _, problem := range s.Problems {
		fmt.Fprintf(&page, "\n**Incomplete:** %s\n", inline(problem))
	}
	page.WriteString("\n| test | seeds | failed | shards | traces | shapes | simulated | took |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for i := range s.Searches {
		j := &s.Searches[i]
		fmt.Fprintf(&page, "| %s | %d | %d | %d of %d | %v | %v | %v | %v |\n", cell(j.Name()),
			j.Seeds, j.Failed, j.Shards, j.Of, j.Traces, j.Shapes, Round(j.Clock), Round(j.Took))
	}
	for i := range s.Searches {
		j := &s.Searches[i]
		for _, why := range j.Ended {
			fmt.Fprintf(&page, "\n%s ended early: %s\n", inline(j.Name()), inline(why))
		}
		if j.Repeated > 0 {
			fmt.Fprintf(&page, "\n%s: %s ran more than once, and the failures of each run are counted.\n", inline(j.Name()), seeds(j.Repeated))
		}
		for _, g := range j.Groups {
			g.markdown(&page, j)
		}
	}
	return page.String()
}

// markdown writes the description of a group.
func (g *Group) markdown(page *strings.Builder, j *Joined) {
	where := ""
	if g.Place != "" {
		where = " at " + inline(g.Place)
	}
	fmt.Fprintf(page, "\n### %s: %s\n\n%s%s: %s\n\n", inline(j.Name()), inline(g.Message), failed(g.Count, g.Replays), where, g.what())
	if g.Note != "" {
		fence(page, "", g.Note)
		page.WriteString("\n")
	}
	fence(page, "sh", g.Rerun)
	if g.ReplayText != "" {
		fmt.Fprintf(page, "\n%s:\n\n", inline(cmp.Or(g.Replay, "A replay file")))
		fence(page, "", g.ReplayText)
	}
	of := fmt.Sprintf("seed %d", g.First())
	if g.Replays > 0 {
		of = "the replay"
	}
	fmt.Fprintf(page, "\n<details><summary>Output of %s</summary>\n\n", of)
	fence(page, "", g.Output)
	page.WriteString("\n</details>\n")
}

// what names the replay and the seeds of a group.
func (g *Group) what() string {
	var words []string
	if g.Replays > 0 {
		words = append(words, inline(g.Replay))
	}
	if g.Count > 0 {
		words = append(words, ListSeeds(g.Seeds, g.Count))
	}
	return strings.Join(words, "; ")
}

// WhatFailed returns the numbers of seeds and replay files that failed, in words.
func (s *Summary) WhatFailed() string { return failed(s.Failed, s.ReplaysFailed) }

// failed returns the numbers of seeds and files in words.
func failed(n, files int) string {
	replays := fmt.Sprintf("%d replay files", files)
	if files == 1 {
		replays = "1 replay file"
	}
	switch {
	case files == 0:
		return seeds(uint64(n))
	case n == 0:
		return replays
	}
	return replays + " and " + seeds(uint64(n))
}

// ListSeeds lists the first of count seeds.
func ListSeeds(first []uint64, count int) string {
	words := make([]string, len(first))
	for i, seed := range first {
		words[i] = strconv.FormatUint(seed, 10)
	}
	text := strings.Join(words, ", ")
	if count > len(first) {
		text += fmt.Sprintf(" and %d more", count-len(first))
	}
	return text
}

// Round rounds a duration for reading.
func Round(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Hour, time.Minute, time.Second, time.Millisecond} {
		if d >= 100*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Microsecond)
}

// seeds returns a number of seeds, in words.
func seeds(n uint64) string {
	if n == 1 {
		return "1 seed"
	}
	return fmt.Sprintf("%d seeds", n)
}

// inline returns a text as inline code, whatever it contains.
func inline(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	ticks := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return ticks + text + ticks
}

// cell is inline for the cell of a table, which a bar ends even in code.
func cell(text string) string { return strings.ReplaceAll(inline(text), "|", `\|`) }

// fence writes a text as a code block, whatever it contains.
func fence(page *strings.Builder, language, text string) {
	ticks := strings.Repeat("`", max(3, longestRun(text)+1))
	fmt.Fprintf(page, "%s%s\n%s\n%s\n", ticks, language, strings.TrimRight(text, "\n"), ticks)
}

// longestRun returns the length of the longest run of backticks.
func longestRun(text string) (longest int) {
	run := 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
