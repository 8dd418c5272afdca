package simtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A test's replay files are read in the order of their names; other files in its folder
// are ignored. A folder that does not exist has none.
func TestReplayFiles(t *testing.T) {
	folder := replayFolderOf(t.TempDir(), "TestLeader/five_nodes")
	none, err := readReplays(folder)
	require.NoError(t, err)
	assert.Empty(t, none)

	one := fullReplay(t)
	other := fullReplay(t)
	other.seed = 43
	var names []string
	for _, r := range []*replay{one, other, one} {
		name, err := r.write(folder)
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(folder, r.fileName()), name)
		names = append(names, name)
	}
	assert.Equal(t, names[0], names[2], "equal replays are one file")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "README"), nil, 0o666))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "more.replay"), 0o777))
	replays, err := readReplays(folder)
	require.NoError(t, err)
	want := []namedReplay{{names[0], one}, {names[1], other}}
	if names[1] < names[0] {
		want[0], want[1] = want[1], want[0]
	}
	assert.Equal(t, want, replays)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, entries, 4, "nothing half written is left")
}

// All files that cannot be read are reported at once, by name.
func TestReplayFilesThatAreDamaged(t *testing.T) {
	folder := t.TempDir()
	good, err := fullReplay(t).write(folder)
	require.NoError(t, err)
	empty, foreign, huge := filepath.Join(folder, "a.replay"), filepath.Join(folder, "b.replay"), filepath.Join(folder, "zz.replay")
	require.NoError(t, os.WriteFile(empty, nil, 0o666))
	require.NoError(t, os.WriteFile(foreign, []byte("hello"), 0o666))
	require.NoError(t, os.WriteFile(huge, []byte(strings.Repeat("#", 3*maxReplay)), 0o666))
	replays, err := readReplays(folder)
	require.ErrorContains(t, err, empty+": the file is empty: ")
	require.ErrorContains(t, err, foreign+":1: this is not a replay file, ")
	require.ErrorContains(t, err, huge+": it has more than 1048576 bytes, ")
	require.Len(t, replays, 1)
	assert.Equal(t, good, replays[0].name)

	_, err = readReplay(filepath.Join(folder, "none.replay"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = fullReplay(t).write(filepath.Join(empty, "x"))
	assert.Error(t, err, "where the folder cannot be made")
}

// The name of a replay depends on the input of the run, not on the version of Go or the
// outcome.
func TestReplayFileNames(t *testing.T) {
	name := fullReplay(t).fileName()
	assert.Equal(t, "dcdda3a848db7d0d.replay", name)
	for what, change := range map[string]func(r *replay){
		"Go":      func(r *replay) { r.goVersion = "go1.27" },
		"test":    func(r *replay) { r.test = "TestOther" },
		"message": func(r *replay) { r.message = "" },
		"digest":  func(r *replay) { r.digest = unknownDigest },
	} {
		r := fullReplay(t)
		change(r)
		assert.Equal(t, name, r.fileName(), what)
	}
	for what, change := range map[string]func(r *replay){
		"search":   func(r *replay) { r.search = 3 },
		"seed":     func(r *replay) { r.seed++ },
		"quiet":    func(r *replay) { r.quiet++ },
		"schedule": func(r *replay) { r.schedule = r.schedule[1:] },
		"natural":  func(r *replay) { r.natural = false },
		"calm":     func(r *replay) { r.noImpairments = false },
		"ties":     func(r *replay) { r.ties = nil },
		"draws":    func(r *replay) { r.draws = nil },
	} {
		r := fullReplay(t)
		change(r)
		assert.NotEqual(t, name, r.fileName(), what)
	}
}

// Each test has a folder of its own, with a name that every file system accepts, in the
// folder for all tests.
func TestReplayFolders(t *testing.T) {
	for test, want := range map[string]string{
		"TestLeader":            "TestLeader",
		"TestLeader/five_nodes": "TestLeader/five_nodes",
		"TestLeader/a:b*c?":     "TestLeader/a%3Ab%2Ac%3F",
		"TestLeader/100%":       "TestLeader/100%25",
		"TestLeader/v1.2":       "TestLeader/v1.2",
		"TestLeader/..":         "TestLeader/%2E%2E",
		"TestLeader/../../x":    "TestLeader/%2E%2E/%2E%2E/x",
		"TestLeader/.x.":        "TestLeader/%2Ex%2E",
		"TestLeader/ä#01":       "TestLeader/%C3%A4%2301",
		"TestLeader//x":         "TestLeader/%/x",
		`TestLeader/a\b`:        "TestLeader/a%5Cb",
	} {
		assert.Equal(t, filepath.Join("testdata", "simtest", filepath.FromSlash(want)), replayFolderOf(replayFolder, test))
	}
}

// A test's name that is too long for a file system is truncated, and the names of two
// tests are still different.
func TestLongFileNames(t *testing.T) {
	long := strings.Repeat("é", 100)
	name := fileName(long)
	assert.Regexp(t, "^(%C3%A9){30}%C3~[0-9a-f]{16}$", name)
	assert.Equal(t, name, fileName(long))
	assert.NotEqual(t, name, fileName(long+"x"))
	assert.Equal(t, strings.Repeat("x", 200), fileName(strings.Repeat("x", 200)))
	folder := replayFolderOf(t.TempDir(), "TestX/"+long)
	_, err := (&replay{}).write(folder)
	require.NoError(t, err)
	_, err = readReplays(replayFolderOf(folder, "TestX/"+long+"x"))
	require.NoError(t, err)
	assert.Len(t, traceName("TestX/"+long+"/"+long, 7), 202)
}

// A run is repeated by its replay, without a Chaos in the Config.
func TestReplayRepeatsARun(t *testing.T) {
	f := idleHosts("a", "b", "c")
	chaos := DefaultChaos()
	chaos.Duration = 20 * time.Second
	config := Config{Seed: 9, Chaos: chaos}
	config.chaos = newChaosRun(&config.Chaos)
	out, digest := carriedOut(t, config, f)
	require.NotEmpty(t, out.schedule)
	r, err := parseReplay("x", []byte(newReplay(9, config.chaos, "it fails", digest).text()))
	require.NoError(t, err)
	for _, config := range []Config{{Chaos: chaos}, {Chaos: DefaultChaos()}, {}} {
		r.apply(&config)
		again, same := carriedOut(t, config, f)
		assert.Equal(t, out, again)
		assert.Equal(t, digest, same)
	}
}

// The replay of a run without Chaos has none, whatever Chaos the Config has now.
func TestReplayWithoutChaos(t *testing.T) {
	r := newReplay(3, nil, "", "")
	config := Config{}
	r.apply(&config)
	assert.Nil(t, config.chaos)
	assert.Equal(t, uint64(3), config.Seed)
	config = Config{Chaos: DefaultChaos()}
	r.apply(&config)
	out, _ := carriedOut(t, config, idleHosts("a", "b"))
	assert.Empty(t, out.schedule)
}
