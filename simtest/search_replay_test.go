package simtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// bugVariable enables the bug in the programs that the tests of replays run.
const bugVariable = "SIMTEST_SEARCHED_BUG"

// searchedReplays are the programs of TestSearched for the tests of replays.
var searchedReplays = map[string]func(t *testing.T){
	"crash": func(t *testing.T) {
		simtest.Search{Seeds: 5, StopAfter: -1}.Run(t, crashes)
	},
	"crash, stop": func(t *testing.T) {
		simtest.Search{Seeds: 5}.Run(t, crashes)
	},
	"second": func(t *testing.T) {
		for i := range 2 {
			simtest.Search{Seeds: 1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				appendTo(t, fmt.Sprint("ran-", i), fmt.Sprintln(simtest.SeedOf(sim)))
			})
		}
	},
}

// crashes is a simulation whose host does not survive a crash, if it has the bug.
func crashes(t *testing.T, sim *simtest.Sim) {
	appendTo(t, "ran", fmt.Sprintln(simtest.SeedOf(sim)))
	crashed := make(chan struct{})
	sim.Host("a").Run(func(ctx context.Context) error {
		if <-ctx.Done(); context.Cause(ctx) == simtest.ErrCrashed {
			close(crashed)
		}
		return nil
	})
	sim.Host("b")
	select {
	case <-crashed:
		if os.Getenv(bugVariable) != "" {
			t.Errorf("host a is lost after %v", sim.Elapsed())
		}
	case <-sim.Quiet():
	}
}

// writeReplay writes a replay file of TestSearched, or of the test that its lines name.
func writeReplay(t *testing.T, folder, name string, lines ...string) (file string) {
	text := "simtest-replay 1\ngo go1.26\n" + strings.Join(append(lines, "digest unknown"), "\n") + "\n"
	return writeFile(t, filepath.Join(folder, "replays", "TestSearched"), name, text)
}

func writeFile(t *testing.T, folder, name, text string) (file string) {
	require.NoError(t, os.MkdirAll(folder, 0o777))
	file = filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
	return file
}

// ran returns the seeds that have run, as text.
func (run *searchRun) ran(t *testing.T, file string) string {
	text, err := os.ReadFile(filepath.Join(run.folder, file))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return string(text)
}

const crashOfA = "fault 3s crash a for 1s"

// The replay files of a test run before its seeds, and a replay that fails makes the
// search fail.
func TestReplayFilesRunFirst(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	name := writeReplay(t, folder, "a.replay", "test TestSearched", "seed 70", "quiet 10s", crashOfA, "message host a is lost after 5s")
	writeReplay(t, folder, "b.replay", "seed 71", "quiet 10s", strings.Replace(crashOfA, "a for", "b for", 1))
	writeReplay(t, folder, "c.replay", "search 2", "seed 72")

	run := runSearchIn(t, folder, "crash, stop", bugVariable+"=1", "-test.cpu=1")
	require.Error(t, run.err, run.output)
	assert.Equal(t, "70\n71\n", run.ran(t, "ran"), "all replays, and no seed")
	require.Len(t, run.reports, 1)
	assert.Empty(t, run.reports[0].Ran)
	assert.Equal(t, 2, run.reports[0].Replays)
	assert.Equal(t, 1, run.reports[0].ReplaysFailed)
	require.Len(t, run.reports[0].Groups, 1)
	g := run.reports[0].Groups[0]
	assert.Equal(t, "host a is lost after 3s", g.Message)
	assert.Equal(t, name, g.Replay)
	assert.Contains(t, g.Rerun, "SIMTEST_REPLAY="+name+" "+simtest.GoTestCommand()+" ")
	assert.Contains(t, g.Rerun, " -count=1 ")
	assert.Contains(t, g.ReplayText, crashOfA)
	assert.Contains(t, g.Output, crashOfA)
	assert.NotContains(t, g.Output, "SIMTEST_SEED")
	assert.Empty(t, g.Note)
	assert.Contains(t, run.output, "1 of 2 replay files failed.")
	assert.Contains(t, run.output, "1. replay "+name+": host a is lost after 3s (search_replay_test.go:")
	assert.Contains(t, run.output, "To run "+name+" again:")
	assert.Contains(t, run.output, g.Rerun)

	run = runSearchIn(t, folder, "crash", bugVariable+"=1", "-test.cpu=1", "SIMTEST_SHARD=1/2")
	require.Error(t, run.err, run.output)
	assert.Equal(t, "70\n71\n70\n71\n0\n2\n4\n", run.ran(t, "ran"), "the search goes on")

	require.NoError(t, os.Remove(filepath.Join(folder, "ran")))
	run = runSearchIn(t, folder, "crash", "-test.cpu=1")
	require.NoError(t, run.err, "the bug is fixed\n%s", run.output)
	assert.Equal(t, "70\n71\n0\n1\n2\n3\n4\n", run.ran(t, "ran"))
	assert.Contains(t, run.output, "\n        2 replay files passed.\n")
	assert.NotContains(t, run.output, ".replay")
	assert.NotContains(t, run.output, "fail")
}

// With SIMTEST_REPLAY one replay file runs alone, in the test's own process. With
// SIMTEST_SEED no replay runs, and of several machines only the first one runs replays.
func TestReplayRunsAlone(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	name := writeReplay(t, folder, "a.replay", "seed 70", crashOfA)
	writeReplay(t, folder, "b.replay", "seed 71", crashOfA)
	run := runSearchIn(t, folder, "crash", bugVariable+"=1", "SIMTEST_REPLAY="+name)
	require.Error(t, run.err, run.output)
	assert.Equal(t, "70\n", run.ran(t, "ran"))
	assert.Equal(t, 1, strings.Count(run.output, "a line before"), "in its own process")
	assert.Contains(t, run.output, "host a is lost after 3s")
	assert.Regexp(t, `it was the replay \S+a\.replay\. To run it again:\n\s*SIMTEST_REPLAY=\S+a\.replay `+simtest.GoTestCommand()+` .*-count=1`, run.output)
	assert.NotContains(t, run.output, "SIMTEST_SEED")
	assert.NotContains(t, run.output, "digest")

	for _, variable := range []string{"SIMTEST_SEED=9", "SIMTEST_SHARD=2/2"} {
		require.NoError(t, os.Remove(filepath.Join(folder, "ran")))
		run = runSearchIn(t, folder, "crash", bugVariable+"=1", variable)
		require.NoError(t, run.err, run.output)
		assert.NotContains(t, run.ran(t, "ran"), "70", variable)
	}
	require.NoError(t, os.Remove(filepath.Join(folder, "ran")))
	run = runSearchIn(t, folder, "crash, stop", bugVariable+"=1", "-test.fuzz=^FuzzNothing$", "-test.fuzzcachedir="+t.TempDir())
	require.Error(t, run.err, run.output)
	assert.Equal(t, "70\n71\n", run.ran(t, "ran"), "in the test's own process they are first as well")
}

// If a test has several searches, each of them runs its own replay files.
func TestReplaysOfSeveralSearches(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeReplay(t, folder, "a.replay", "seed 70")
	second := writeReplay(t, folder, "b.replay", "search 2", "seed 71")
	run := runSearchIn(t, folder, "second")
	require.NoError(t, run.err, run.output)
	assert.Equal(t, "70\n0\n", run.ran(t, "ran-0"))
	assert.Equal(t, "71\n0\n", run.ran(t, "ran-1"))
	run = runSearchIn(t, folder, "second", "SIMTEST_REPLAY="+second)
	require.NoError(t, run.err, run.output)
	assert.Equal(t, "70\n0\n", run.ran(t, "ran-0"))
	assert.Equal(t, "71\n0\n71\n", run.ran(t, "ran-1"))
}

// A file that cannot be replayed is an error that names it, and no seed is run.
func TestReplayFilesThatCannotRun(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	of := filepath.Join(folder, "replays", "TestSearched")
	writeFile(t, of, "damaged.replay", "simtest-replay 1\ngo go1.26\nseed 4")
	writeFile(t, of, "newer.replay", "simtest-replay 2\n")
	writeFile(t, of, "none.replay", "go test fuzz v1\n")
	foreign := writeReplay(t, folder, "other.replay", "test TestOther/x", "seed 4")
	for _, variable := range []string{"SIMTEST_SHARD=1/2", "SIMTEST_SHARD=2/2", "SIMTEST_REPLAY="} {
		run := runSearchIn(t, folder, "crash", variable)
		require.Error(t, run.err, run.output)
		assert.Empty(t, run.ran(t, "ran"))
		assert.Contains(t, run.output, "simtest: no seed has run, because these replay files cannot:")
		for name, want := range map[string]string{
			"damaged.replay": `: there is no line "digest", which is the last one: the file is truncated: restore it`,
			"newer.replay:1": ": the format is version 2, and this simtest knows up to 1: update",
			"none.replay:1":  ": this is not a replay file, which begins with",
			"other.replay":   ": it is a replay of TestOther/x, in the folder of TestSearched: move it to " + filepath.Join(folder, "replays", "TestOther", "x") + `, or delete its line "test TestOther/x"`,
		} {
			assert.Contains(t, run.output, filepath.Join(of, name)+want)
		}
	}
	for _, c := range []struct{ value, want string }{
		{filepath.Join(of, "missing.replay"), `SIMTEST_REPLAY is %q, which cannot be read: .*: set it to a replay file, relative to the package's folder, or unset it`},
		{of, `SIMTEST_REPLAY is %q, and that is not a regular file but a folder: set it to a replay file, relative to the package's folder, or unset it`},
		{filepath.Join(of, "none.replay"), `SIMTEST_REPLAY is %q, and that is not a replay file, which begins with "simtest-replay 1": set it to a replay file, relative to the package's folder, or unset it`},
		{filepath.Join(of, "damaged.replay"), `SIMTEST_REPLAY: %s: there is no line "digest", which is the last one: the file is truncated: restore it from version control, or delete it; .*`},
		{foreign, `SIMTEST_REPLAY is %q, which is a replay of TestOther/x: run that test alone, with -run, or unset the variable`},
	} {
		run := runSearchIn(t, folder, "crash", "SIMTEST_REPLAY="+c.value)
		require.Error(t, run.err, run.output)
		assert.Empty(t, run.ran(t, "ran"))
		want := strings.NewReplacer("%q", regexp.QuoteMeta(strconv.Quote(c.value)), "%s", regexp.QuoteMeta(c.value)).Replace(c.want)
		assert.Regexp(t, "simtest: "+want+"\n", run.output)
	}
	run := runSearch(t, "crash", "SIMTEST_REPLAY=x", "SIMTEST_SEED=1")
	require.Error(t, run.err, run.output)
	assert.Contains(t, run.output, `simtest: SIMTEST_REPLAY is "x", and SIMTEST_SEED is set as well`)
}

// A schedule with a host that is never created fails, and the failure names the host.
func TestReplayOfAnUnknownHost(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeReplay(t, folder, "a.replay", "seed 70", "quiet 10s", "fault 1s kill nobody for 1s")
	run := runSearchIn(t, folder, "crash, stop")
	require.Error(t, run.err, run.output)
	assert.Equal(t, "70\n", run.ran(t, "ran"))
	require.Len(t, run.reports, 1)
	require.Len(t, run.reports[0].Groups, 1)
	assert.Contains(t, run.reports[0].Groups[0].Message, "some hosts were named but never created")
	assert.Contains(t, run.reports[0].Groups[0].Output, `"nobody"`)
	assert.Contains(t, run.reports[0].Groups[0].Output, "fault 1s kill nobody for 1s")
}

// The failure of a replay reports whether the run is the recorded one.
func TestReplayReportsWhetherTheRunIsTheSame(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := "simtest-replay 1\ngo go1.25\nseed 70\n" + crashOfA + "\nmessage host a is gone\ndigest 0123456789abcdef\n"
	name := writeFile(t, filepath.Join(folder, "replays", "TestSearched"), "a.replay", text)
	run := runSearchIn(t, folder, "crash, stop", bugVariable+"=1")
	require.Error(t, run.err, run.output)
	require.Len(t, run.reports, 1)
	g := run.reports[0].Groups[0]
	require.Regexp(t, `^it is not the same run as when the file was written: its digest is [0-9a-f]{16}, and it was 0123456789abcdef\. The program has changed since, or Go, which was go1\.25, or simtest\.\nthe recorded failure: host a is gone\n$`, g.Note)
	assert.Contains(t, run.output, "the recorded failure: host a is gone\n")
	digest := strings.Fields(strings.SplitAfter(g.Note, "its digest is ")[1])[0]
	writeFile(t, filepath.Dir(name), "a.replay", strings.Replace(strings.Replace(text, "0123456789abcdef", strings.TrimSuffix(digest, ","), 1), "gone", "lost after 7s", 1))
	for _, variable := range []string{"SIMTEST_REPLAY=", "SIMTEST_REPLAY=" + name} {
		run = runSearchIn(t, folder, "crash, stop", bugVariable+"=1", variable)
		require.Error(t, run.err, run.output)
		assert.Contains(t, run.output, "it is the same run as when the file was written.\n")
		assert.NotContains(t, run.output, "failed then")
	}
}

// A relative name is relative to the package's folder.
func TestReplayNamesAreRelativeToThePackage(t *testing.T) {
	t.Parallel()
	run := runSearch(t, "crash", "SIMTEST_REPLAYS=testdata/none/%p", "SIMTEST_REPLAY=search.go")
	require.Error(t, run.err, run.output)
	assert.Contains(t, run.output, `simtest: SIMTEST_REPLAY is "search.go", and that is not a replay file, `)
}
