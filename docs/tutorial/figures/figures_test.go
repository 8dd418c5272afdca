package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The pictures of the tutorial are those that the command draws, each time.
func TestPicturesAreThoseOfARun(t *testing.T) {
	committed := filepath.Join("..", "pictures")
	folder := t.TempDir()
	if os.Getenv("DOCS_UPDATE") != "" {
		folder = committed
	}
	var out strings.Builder
	simulate := func(config simtest.Config, f func(*simtest.Sim)) {
		config.Run(t, func(_ *testing.T, sim *simtest.Sim) { f(sim) })
	}
	require.NoError(t, write(folder, &out, simulate))
	names := strings.Fields(out.String())
	assert.Len(t, names, 8)
	for _, name := range names {
		drawn, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(committed, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(drawn), "%s; DOCS_UPDATE=1 draws it anew", name)
	}
	assert.Error(t, write(filepath.Join(folder, "none"), &out, simulate))
}
