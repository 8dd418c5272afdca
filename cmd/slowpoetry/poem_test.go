package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/poetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A file has priority over a built-in poem; a name with a directory in it is
// always a file.
func TestReadPoem(t *testing.T) {
	t.Chdir(t.TempDir())
	inside, _ := poetry.Poem("science")
	for _, name := range []string{"science", "science.txt"} {
		poem, err := readPoem(name, nil)
		require.NoError(t, err)
		assert.Equal(t, inside, poem)
	}
	require.NoError(t, os.WriteFile("science", []byte("a file"), 0o666))
	poem, err := readPoem("science", nil)
	require.NoError(t, err)
	assert.Equal(t, "a file", string(poem))
	_, err = readPoem(filepath.Join("poetry", "science.txt"), nil)
	assert.ErrorContains(t, err, "there is no poem")
	require.NoError(t, os.Mkdir("ecstasy", 0o777))
	_, err = readPoem("ecstasy", nil)
	assert.ErrorContains(t, err, "is a directory")
}
