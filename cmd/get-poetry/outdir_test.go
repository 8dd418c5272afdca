package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOutDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	s, err := newOutDir(dir)
	require.NoError(t, err)
	defer s.close()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files, "the probe was removed")
	for _, poem := range []string{"poem", "it is replaced"} {
		require.NoError(t, s.put(12, []byte(poem)))
		saved, err := os.ReadFile(filepath.Join(dir, "12.txt"))
		require.NoError(t, err)
		assert.Equal(t, poem, string(saved))
	}
	_, err = newOutDir(filepath.Join(dir, "12.txt"))
	assert.ErrorContains(t, err, "name a directory")
	files, err = os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, 1, "no draft is left")
}

// Other users who can write to the directory can neither redirect a poem nor
// block the command.
func TestOutDirFollowsNoLink(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("untouched"), 0o600))
	dir := t.TempDir()
	for name, target := range map[string]string{"1.txt": victim, "2.txt": filepath.Join(filepath.Dir(victim), "new"), "3.txt": "3.txt"} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	s, err := newOutDir(dir)
	require.NoError(t, err)
	defer s.close()
	for task, name := range []string{"1.txt", "2.txt", "3.txt"} {
		require.NoError(t, s.put(task+1, []byte("poem")))
		info, err := os.Lstat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.True(t, info.Mode().IsRegular())
	}
	kept, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "untouched", string(kept))
	files, err := os.ReadDir(filepath.Dir(victim))
	require.NoError(t, err)
	assert.Len(t, files, 1)
}

// A poem that cannot be saved leaves no file.
func TestOutDirThatCannotSave(t *testing.T) {
	dir := t.TempDir()
	s, err := newOutDir(dir)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "1.txt"), 0o777))
	assert.Error(t, s.put(1, []byte("poem")))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, 1)
	s.close()
	assert.Error(t, s.put(2, []byte("poem")))
}

func TestNoOutDir(t *testing.T) {
	var s *outDir
	assert.NoError(t, s.put(1, []byte("poem")))
	s.close()
	assert.NoFileExists(t, "1.txt")
}
