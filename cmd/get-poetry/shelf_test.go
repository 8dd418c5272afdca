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

func TestShelf(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	s, err := newShelf(dir)
	require.NoError(t, err)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files, "the probe is gone")
	require.NoError(t, s.put(12, []byte("poem")))
	poem, err := os.ReadFile(filepath.Join(dir, "12.txt"))
	require.NoError(t, err)
	assert.Equal(t, "poem", string(poem))
	_, err = newShelf(filepath.Join(dir, "12.txt"))
	assert.ErrorContains(t, err, "name a directory")
}

func TestNoShelf(t *testing.T) {
	s, err := newShelf("")
	require.NoError(t, err)
	assert.NoError(t, s.put(1, []byte("poem")))
	assert.NoFileExists(t, "1.txt")
}
