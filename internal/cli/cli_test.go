package cli

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"5": 5 * time.Second, "0.1": 100 * time.Millisecond, "0": 0, ".5": 500 * time.Millisecond, "1e-3": time.Millisecond,
		"100ms": 100 * time.Millisecond, "1h30m": 90 * time.Minute, "0s": 0, "0.0000000001": 0, "-0": 0,
	} {
		var d Duration
		require.NoError(t, d.Set(s), s)
		assert.Equal(t, want, time.Duration(d), s)
		var again Duration
		require.NoError(t, again.Set(d.String()))
		assert.Equal(t, d, again, "Set accepts what String returns")
	}
	for _, s := range []string{"", " ", "-1", "-0.00000000001", "-1ms", "NaN", "Inf", "-Inf", "1e300", "5 s", "5seconds", "soon", "1,5", "0x", "999999999h"} {
		var d Duration
		assert.Error(t, d.Set(s), "%q", s)
		assert.Zero(t, d, "%q changes nothing", s)
	}
}

func TestInt(t *testing.T) {
	i := Int{Value: 7, Min: 1, Max: 10}
	for _, s := range []string{"", "0", "11", "1.5", "x", "-1", "99999999999999999999"} {
		assert.EqualError(t, i.Set(s), "want a whole number from 1 to 10", "%q", s)
	}
	assert.Equal(t, "7", i.String())
	require.NoError(t, i.Set("10"))
	assert.EqualValues(t, 10, i.Value)
	open := Int{Min: 1, Max: math.MaxInt64}
	assert.EqualError(t, open.Set("0"), "want a whole number, 1 or more")
}

func TestFail(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		stderr string
	}{
		{nil, 0, ""},
		{ErrAnswered, 0, ""},
		{Usagef("no %s", "poem"), 2, "prog: no poem (see prog --help)\n"},
		{errors.New("broken"), 1, "prog: broken\n"},
		{errors.Join(errors.New("a"), errors.New("b\r\nc")), 1, "prog: a b c\n"},
	} {
		var stderr strings.Builder
		assert.Equal(t, c.status, Fail("prog", c.err, &stderr))
		assert.Equal(t, c.stderr, stderr.String())
	}
}

func TestParse(t *testing.T) {
	var out strings.Builder
	delay := Duration(time.Second)
	flags := NewFlagSet("prog", "Usage: prog\n")
	flags.Var(&delay, "delay", "how `long`")
	require.NoError(t, Parse(flags, []string{"a", "--delay", "2", "b", "--", "--c"}, &out))
	assert.Equal(t, []string{"a", "b", "--c"}, flags.Args(), "flags may be anywhere before --")
	assert.Equal(t, 2*time.Second, time.Duration(delay))

	var usage *UsageError
	require.ErrorAs(t, Parse(flags, []string{"--nope"}, &out), &usage)
	assert.Empty(t, out.String())
	assert.Equal(t, ErrAnswered, Parse(flags, []string{"--help"}, &out))
	assert.Contains(t, out.String(), "Usage: prog\n\nFlags:\n")
	assert.Regexp(t, `--delay long .*\n +--version\S* +print the version\n$`, out.String())
	out.Reset()
	assert.Equal(t, ErrAnswered, Parse(flags, []string{"--version", "x"}, &out))
	assert.Regexp(t, `^prog \S+ go1\.\S+ \w+/\w+\n$`, out.String())
}
