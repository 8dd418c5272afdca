package simtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// failsIf returns a worker's outcome function for a simulation with these faults, which
// fails if the replay does.
func failsIf(t *testing.T, schedule string, fails func(r *replay) bool) func(job searchJob, server *fakeServer) searchOutcome {
	drawn := scheduleOf(t, schedule)
	return func(job searchJob, server *fakeServer) searchOutcome {
		r := &replay{seed: job.Seed, schedule: drawn, quiet: time.Minute}
		if job.Replay != "" {
			var err error
			r, err = parseReplay("x", []byte(job.Replay))
			assert.NoError(t, err)
		}
		o := passed(job, server)
		if fails(r) {
			o = failedWith(fmt.Sprintf("read %d with %d faults", r.seed, len(r.schedule)))
		}
		o.Schedule, o.Quiet, o.Traced, o.Digest = r.schedule.lines(), r.quiet, true, mix64.String(r.seed, r.fileName())
		return o
	}
}

const sixFaults = "fault 3s kill a for 1s\nfault 5s partition a | b for 10s\nfault 6s pause c for 1s\nfault 7s skew a by 3s for 9s\nfault 9s reset a | b\nfault 11.5s crash b for 7s"

// hasBoth reports whether a is cut off at 7 s, and b crashes.
func hasBoth(r *replay) bool {
	return isCutOff(r, "a", "b", 7*time.Second) && strings.Contains(r.schedule.String(), " crash b ")
}

// searchRunWithReplays runs a search whose replay files are in a folder.
func searchRunWithReplays(t *testing.T, folder string, s Search, workers int, outcome func(job searchJob, server *fakeServer) searchOutcome) *fakeSearch {
	return searchRunWith(t, s, map[string]string{"SIMTEST_REPLAYS": folder, "SIMTEST_SHRINK": "10m"}, workers, outcome)
}

// The first failure of each group is shrunk, and written to a replay file, which does
// not depend on the number of workers or the order of their answers.
func TestSearchRunShrinks(t *testing.T) {
	outcome := failsIf(t, sixFaults, func(r *replay) bool { return r.seed%10 == 3 && hasBoth(r) })
	var texts []string
	for _, workers := range []int{1, 2, 4, 4, 4} {
		folder := t.TempDir()
		var jobs atomic.Int64
		h := searchRunWithReplays(t, folder, Search{Seeds: 20, StopAfter: -1}, workers, func(job searchJob, server *fakeServer) searchOutcome {
			if workers > 1 {
				time.Sleep(time.Duration(mix64.Mix(uint64(jobs.Add(1)), uint64(time.Now().UnixNano()))%300) * time.Microsecond)
			}
			return outcome(job, server)
		})
		require.Len(t, h.groupsLocked(), 1)
		g := h.groupsLocked()[0]
		assert.Equal(t, []uint64{3, 13}, g.Seeds)
		assert.Equal(t, "read 3 with 2 faults", g.Message)
		assert.Contains(t, g.Output, "read 3 with 2 faults")
		assert.Equal(t, "SIMTEST_SEED=3 run", g.Rerun)
		assert.Equal(t, "SIMTEST_REPLAY="+g.Replay+" run", g.ReplayRerun)
		assert.Equal(t, filepath.ToSlash(filepath.Join(folder, "TestX")), filepath.ToSlash(filepath.Dir(g.Replay)))
		text, err := os.ReadFile(g.Replay)
		require.NoError(t, err)
		assert.Equal(t, string(text), g.ReplayText)
		texts = append(texts, string(text))
		assert.Regexp(t, `^In \d+ runs, \S+, it was shrunk from 6 faults to 2\.\nIts replay file is \S+/[0-9a-f]{16}\.replay:\n    simtest-replay 1\n(?s:.*)`, g.Note)
		assert.Contains(t, h.summary(1), "\nTo run that again:\n"+g.ReplayRerun+"\nTo run seed 3 again:\nSIMTEST_SEED=3 run")
		entries, err := os.ReadDir(filepath.Join(folder, "TestX"))
		require.NoError(t, err)
		assert.Len(t, entries, 1)
		assert.EqualValues(t, 20, h.done, "runs of the shrinker are not counted as seeds")
		assert.Equal(t, 2, h.failed)
	}
	for _, text := range texts {
		assert.Equal(t, texts[0], text)
	}
	r, err := parseReplay("x", []byte(texts[0]))
	require.NoError(t, err)
	assert.Equal(t, "fault 7s partition a > b for 1ms\nfault 20s crash b for 1ms\n", r.schedule.String())
	assert.Equal(t, []any{"TestX", uint64(3), "read 3 with 2 faults"}, []any{r.test, r.seed, r.message})
	assert.NotEqual(t, unknownDigest, r.digest)
}

// A failure that needs no faults is written as it is.
func TestSearchRunWritesASeed(t *testing.T) {
	folder := t.TempDir()
	h := searchRunWithReplays(t, folder, Search{Seeds: 9}, 2, func(job searchJob, server *fakeServer) searchOutcome {
		if job.Seed == 3 {
			return failedWith("read 3")
		}
		return passed(job, server)
	})
	g := h.groupsLocked()[0]
	assert.Regexp(t, `^simtest-replay 1\ngo \S+\ntest TestX\nseed 3\n(overlay .*\n)?message read 3\ndigest unknown\n$`, g.ReplayText)
	assert.Regexp(t, `^Its replay file is \S+:\n    simtest-replay 1\n`, g.Note)
	assert.FileExists(t, g.Replay)
}

// If the file cannot be written, its text is shown.
func TestSearchRunWhereNoFileCanBeWritten(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	h := searchRunWithReplays(t, folder, Search{Seeds: 9}, 2, func(job searchJob, server *fakeServer) searchOutcome {
		if job.Seed == 3 {
			_ = os.WriteFile(folder, nil, 0o666) // so that there can be no folder
			return failedWith("read 3")
		}
		return passed(job, server)
	})
	g := h.groupsLocked()[0]
	assert.Empty(t, g.Replay)
	assert.Empty(t, g.ReplayRerun)
	assert.Regexp(t, `^Its replay file cannot be written: .*folder.*: .* Save it as a file, and run it with SIMTEST_REPLAY=FILE:\n    simtest-replay 1\n`, g.Note)
	assert.Contains(t, g.Note, "    seed 3\n")
}

// A failure that is not reproduced is not shrunk, and no file is written. The report
// shows the difference between two runs, or says that there is none.
func TestSearchRunThatDoesNotRepeat(t *testing.T) {
	for report, want := range map[string]string{
		"simtest: two runs with one seed differ, from event 3 on\n": "\nsimtest: two runs with one seed differ, from event 3 on",
		"": "\nIn 5 runs with that seed nothing differed on the network. ",
	} {
		for _, message := range []string{"", "it fails otherwise"} {
			folder := t.TempDir()
			runs := 0
			h := searchRunWithReplays(t, folder, Search{Seeds: 9, Chaos: DefaultChaos()}, 1, func(job searchJob, server *fakeServer) searchOutcome {
				if job.Seed != 3 {
					return passed(job, server)
				}
				switch runs++; {
				case runs == 1:
					return failedWith("read 3")
				case job.Check:
					return searchOutcome{searchResult: searchResult{Report: report}}
				case message != "":
					return failedWith(message)
				}
				return passed(job, server)
			})
			assert.Equal(t, 3, runs)
			g := h.groupsLocked()[0]
			assert.Contains(t, g.Note, "it is not deterministic, and no replay file is written.")
			assert.Contains(t, g.Note, want)
			assert.Contains(t, g.Note, message)
			assert.Empty(t, g.ReplayText)
			assert.NoDirExists(t, filepath.Join(folder, "TestX"))
		}
	}
}

// The faults of a failure that ends its process are known from the worker's earlier
// reports.
func TestSearchRunShrinksCrashes(t *testing.T) {
	fails := failsIf(t, sixFaults, func(r *replay) bool { return r.seed == 3 && hasBoth(r) })
	h := searchRunWithReplays(t, t.TempDir(), Search{Seeds: 5}, 2, func(job searchJob, server *fakeServer) searchOutcome {
		o := fails(job, server)
		if o.Failed {
			o.died, o.output, o.Traced = "it has ended", "fatal error: all is lost\n", false
			if !job.Tell {
				o.Schedule, o.Quiet = nil, 0
			}
		}
		return o
	})
	g := h.groupsLocked()[0]
	assert.Contains(t, g.ReplayText, "fault 7s partition a > b for 1ms\nfault 20s crash b for 1ms\nmessage fatal error: all is lost\ndigest unknown\n")
}

// When time is up, or the search is interrupted, the best replay so far is written.
func TestSearchRunThatHasNoTimeToShrink(t *testing.T) {
	fails := failsIf(t, sixFaults, func(r *replay) bool { return r.seed == 3 && hasBoth(r) })
	for _, dies := range []bool{false, true} {
		for after := range 4 {
			runs := 0
			h := searchRunWithReplays(t, t.TempDir(), Search{Seeds: 5}, 1, func(job searchJob, server *fakeServer) searchOutcome {
				o := fails(job, server)
				if o.died = ""; dies && o.Failed {
					o.died = "it has ended"
				}
				if job.Seed == 3 {
					if runs++; runs == after+2 {
						server.search.endShrinking(fmt.Errorf("it was enough"))
						return searchOutcome{givenUp: true}
					}
				}
				return o
			})
			g := h.groupsLocked()[0]
			assert.Contains(t, g.Note, "it was enough.")
			if after == 0 && dies {
				assert.Empty(t, g.ReplayText, "its faults are unknown")
				continue
			}
			assert.Contains(t, g.ReplayText, "crash b")
			assert.FileExists(t, g.Replay)
		}
	}
}

// With a negative Shrink, and with SIMTEST_SHRINK=0, failures are not shrunk.
func TestSearchRunThatDoesNotShrink(t *testing.T) {
	fails := failsIf(t, sixFaults, func(r *replay) bool { return r.seed == 3 })
	for _, shrink := range []time.Duration{-1, 1} {
		h := searchRunWith(t, Search{Seeds: 5, Shrink: shrink}, map[string]string{"SIMTEST_SHRINK": map[bool]string{true: "0"}[shrink > 0]}, 1, fails)
		assert.Len(t, h.jobs, 4)
		assert.Empty(t, h.groupsLocked()[0].Note)
	}
}

// A failed replay file belongs to its group of failures, so no other file is written
// for the group.
func TestSearchRunWithAReplayThatFails(t *testing.T) {
	folder := t.TempDir()
	fails := failsIf(t, sixFaults, func(r *replay) bool { return r.seed%2 == 1 && hasBoth(r) })
	first := searchRunWithReplays(t, folder, Search{Seeds: 5}, 1, fails)
	name := first.groupsLocked()[0].Replay
	require.FileExists(t, name)
	plan, err := planOf(Search{}, map[string]string{"SIMTEST_REPLAYS": folder})
	require.NoError(t, err)
	replays, err := plan.replaysOf("TestX", 1)
	require.NoError(t, err)
	require.Len(t, replays, 1)
	again := searchRunOf(t, Search{Seeds: 5, StopAfter: -1}, map[string]string{"SIMTEST_REPLAYS": folder}, fails)
	again.replays = replays
	again.run(1)
	require.Len(t, again.groupsLocked(), 1)
	g := again.groupsLocked()[0]
	assert.Equal(t, name, g.Replay)
	assert.Equal(t, 1, g.Replays)
	assert.Equal(t, []uint64{1, 3}, g.Seeds)
	assert.Equal(t, "it is the same run as when the file was written.\n", g.Note)
	assert.Equal(t, "SIMTEST_REPLAY="+name+" run", g.Rerun)
	assert.Len(t, again.jobs, 6)
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// The progress reports shrinking, and go test's -timeout ends it.
func TestSearchRunShrinksUntilTheTimeout(t *testing.T) {
	fails := failsIf(t, sixFaults, func(r *replay) bool { return r.seed == 3 && len(r.schedule) == 6 })
	var told []string
	h := searchRunOf(t, Search{Seeds: 5}, map[string]string{"SIMTEST_REPLAYS": t.TempDir(), "SIMTEST_SHRINK": "10m"}, func(job searchJob, server *fakeServer) searchOutcome {
		if job.Replay != "" {
			told = append(told, server.search.standing().String())
			if len(told) > 20 {
				<-server.giveUp // not shrinking.Done(), which is closed earlier
				return searchOutcome{givenUp: true}
			}
		}
		return fails(job, server)
	})
	require.NoError(t, h.endBefore(time.Now().Add(searchGrace+time.Second)))
	h.run(1)
	require.Greater(t, len(told), 20)
	assert.Equal(t, "4 of 5 seeds, 1 failed; makes the failure of seed 3 smaller: 1 run, 6 faults left", told[1])
	g := h.groupsLocked()[0]
	assert.Contains(t, g.Note, "It could perhaps be shrunk further: go test's -timeout is about to end the test")
	assert.FileExists(t, g.Replay)
	assert.Contains(t, h.summary(1), "The search has ended after 4 of 5: found 1 failure")
}
