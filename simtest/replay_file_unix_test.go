//go:build unix

package simtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file that is not a regular file is rejected with its name, and does not block the
// search. A symbolic link to a replay file is accepted.
func TestIrregularReplayFiles(t *testing.T) {
	folder := t.TempDir()
	good, err := fullReplay(t).write(folder)
	require.NoError(t, err)
	name := func(name string) string { return filepath.Join(folder, name+".replay") }
	require.NoError(t, os.Symlink(filepath.Base(good), name("0 link")))
	require.NoError(t, os.Symlink("nowhere", name("dangling")))
	require.NoError(t, os.Symlink(".", name("folder")))
	require.NoError(t, syscall.Mkfifo(name("pipe"), 0o600))
	replays, err := readReplays(folder)
	assert.ErrorContains(t, err, name("dangling")+" is a link to a file that does not exist: restore that, or delete the link")
	assert.ErrorContains(t, err, name("folder")+" is not a regular file but a folder: move it elsewhere, or delete it")
	assert.ErrorContains(t, err, name("pipe")+" is not a regular file but a named pipe: move it elsewhere, or delete it")
	require.Len(t, replays, 2)
	assert.Equal(t, name("0 link"), replays[0].name)
}
