package linkflags

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func parse(args ...string) (netem.Profile, error) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	f := Add(flags)
	if err := flags.Parse(args); err != nil {
		return netem.Profile{}, err
	}
	return f.Profile()
}

func TestProfile(t *testing.T) {
	t.Parallel()
	profile, err := parse()
	require.NoError(t, err)
	assert.Equal(t, netem.Profile{}, profile, "without flags the path has no limits")

	profile, err = parse("-p", "webpagetest/3g")
	require.NoError(t, err)
	assert.Equal(t, netem.MustProfile("webpagetest/3g"), profile)

	profile, err = parse("--profile", "webpagetest/3g", "--loss", "5%", "--latency", "10ms", "--up", "latency=20ms, queue=10 packets", "--down", `{"rate": "1Mbit/s"}`)
	require.NoError(t, err)
	want := netem.MustProfile("webpagetest/3g")
	want.Down.Loss.Random, want.Up.Loss.Random = 0.05, 0.05
	want.Down.Latency, want.Up.Latency = 10*time.Millisecond, 20*time.Millisecond
	want.Down.Rate, want.Up.Queue = netem.Mbps, netem.Queue{Packets: 10}
	assert.Equal(t, want, profile)
}

// The help says the same of both directions.
func TestUsage(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	Add(flags)
	assert.Contains(t, flags.Lookup("down").Usage, "fields of the link to the client only")
	assert.Contains(t, flags.Lookup("up").Usage, "fields of the link from the client only")
}

// Each flag sets its own field, in both directions.
func TestEveryFlag(t *testing.T) {
	t.Parallel()
	profile, err := parse("--latency", "40ms", "--jitter", "5ms", "--rate", "1.6Mbit/s", "--queue", "64kB", "--loss", "1.5%",
		"--duplicate", "2%", "--corrupt", "3%", "--reorder", "4%", "--mtu", "1400")
	require.NoError(t, err)
	want := netem.Link{
		Latency: 40 * time.Millisecond, Jitter: netem.Jitter{Deviation: 5 * time.Millisecond}, Rate: 1600 * netem.Kbps, Queue: netem.Queue{Bytes: 64_000},
		Loss: netem.Loss{Random: 0.015}, Duplicate: netem.Chance{Probability: 0.02}, Corrupt: netem.Chance{Probability: 0.03}, MTU: 1400,
	}
	want.Reorder.Probability = 0.04
	assert.Equal(t, netem.Profile{Down: want, Up: want}, profile)
}

// A value may be a JSON object, which may contain commas.
func TestValuesInJSON(t *testing.T) {
	t.Parallel()
	profile, err := parse("--up", `rate=1Mbit/s,queue={"packets": 100, "countDelayed": true},mtu=1400`)
	require.NoError(t, err)
	assert.Equal(t, netem.Link{Rate: netem.Mbps, Queue: netem.Queue{Packets: 100, CountDelayed: true}, MTU: 1400}, profile.Up)

	profile, err = parse("--up", `{"rate": "1Mbit/s", "queue": 3000}`)
	require.NoError(t, err)
	assert.Equal(t, netem.Link{Rate: netem.Mbps, Queue: netem.Queue{Bytes: 3000}}, profile.Up, "bytes, as in a profile")
}

// A user's own profile is read from a file, and so is a recording of mahimahi, which
// replaces the profile's rate.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, replay := filepath.Join(dir, "mine"), filepath.Join(dir, "lte.trace")
	require.NoError(t, os.WriteFile(file, []byte(`{"down": {"rate": "2Mbit/s", "mtu": 1400}}`), 0o600))
	require.NoError(t, os.WriteFile(replay, []byte("3\n5\n9\n"), 0o600))
	profile, err := parse("--profile", file, "--down", "replay="+replay)
	require.NoError(t, err)
	assert.Equal(t, 1400, profile.Down.MTU)
	assert.Zero(t, profile.Down.Rate)
	require.NotNil(t, profile.Down.Replay)
	assert.True(t, profile.Up.IsZero())

	recorded := filepath.Join(dir, "recorded")
	require.NoError(t, os.WriteFile(recorded, []byte(`{"down": {"replay": [3, 5, 9]}}`), 0o600))
	profile, err = parse("--profile", recorded, "--rate", "2Mbit/s")
	require.NoError(t, err)
	assert.Nil(t, profile.Down.Replay, "a rate replaces it")
	assert.Equal(t, 2*netem.Mbps, profile.Down.Rate)

	require.NoError(t, os.WriteFile(file, []byte(`{"down": {"rate": "fast"}}`), 0o600))
	_, err = parse("--profile", file)
	assert.ErrorContains(t, err, file+": profile, line 1: down.rate: ")
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--profile", "webpagetest/33g"}, `there is no profile "webpagetest/33g" (is it webpagetest/3g?)`},
		{[]string{"--profile", "mine.json"}, "the file of the profile: open mine.json: "},
		{[]string{"--loss", "5"}, `loss: percentage 5 has no unit: write it like "1.5%"`},
		{[]string{"--latency", "-3ms"}, "latency"},
		{[]string{"--latency", "40"}, `latency: duration 40 has no unit: write it like "40ms"`},
		{[]string{"--rate", "1000"}, `rate: rate 1000 has no unit: write it like "250kbit/s"`},
		{[]string{"--queue", "100"}, `queue: size 100 has no unit: write it like 64kB or "100 packets"`},
		{[]string{"--up", "rate=1Mbit/s,queue=100"}, `queue: size 100 has no unit`},
		{[]string{"--rate", "fast"}, `rate "fast"`},
		{[]string{"--up", "latency"}, `want fields such as rate=8Mbit/s,loss=1%, or a JSON object, not "latency"`},
		{[]string{"--up", "lattency=3ms"}, "lattency"},
		{[]string{"--down", `{"loss": "200%"}`}, "loss"},
		{[]string{"--down", "replay=/nowhere"}, "open /nowhere: "},
		{[]string{"--down", "dropOversize=true"}, "link down: "},
	} {
		_, err := parse(c.args...)
		assert.ErrorContains(t, err, c.want, "%q", c.args)
		if err != nil {
			t.Logf("%q: %v", c.args, err)
		}
	}
}
