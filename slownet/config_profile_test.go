package slownet

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAProfileIsPutAtEitherEnd(t *testing.T) {
	t.Parallel()
	down, up := netem.Link{Rate: 2 * netem.Mbps}, netem.Link{Rate: netem.Mbps}
	p := netem.Profile{Down: down, Up: up}
	assert.Equal(t, Config{Read: down, Write: up}, ClientConfig(p))
	assert.Equal(t, Config{Read: up, Write: down}, ServerConfig(p))
}

func TestNewDialerIsAtTheClientsEnd(t *testing.T) {
	t.Parallel()
	p := netem.Profile{Down: netem.Link{Rate: 2 * netem.Mbps}, Up: netem.Link{Rate: netem.Mbps}, Lookup: time.Second}
	d := NewDialer(p)
	assert.Equal(t, Config{Read: p.Down, Write: p.Up}, d.Config)
	assert.Equal(t, p.Lookup, d.Lookup)
}

// An error of a profile's file names the file and the line.
func TestReadProfileNamesTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slow.json")
	_, err := ReadProfile(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, path)

	require.NoError(t, os.WriteFile(path, []byte(`{"down": {"latency": "40ms"}}`), 0o600))
	profile, err := ReadProfile(path)
	require.NoError(t, err)
	assert.Equal(t, 40*time.Millisecond, profile.Down.Latency)

	require.NoError(t, os.WriteFile(path, []byte("{\n\"down\": {\"rate\": \"250\"}}"), 0o600))
	_, err = ReadProfile(path)
	assert.EqualError(t, err, path+`: netem: profile, line 2: down.rate: rate "250" has no unit: write it like "250kbit/s"`)
}
