package simtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// logged makes two hosts talk, with loggers, and a fault.
func logged(t *testing.T, sim *simtest.Sim) {
	sim.SetLink("a", "b", netem.Link{Latency: 100 * ms})
	client, server := connected(t, sim)
	sim.Host("b").Go(func(ctx context.Context) {
		read1(t, server, 'x')
		sim.Host("b").Logger().With("n", 1).WithGroup("poem").Info("read", "bytes", 1)
	})
	write1(t, client, 'x')
	sim.Host("a").Logger().Warn("wrote")
	time.Sleep(time.Second)
	sim.Partition([]string{"a"})
}

// Config.Logger receives the hosts' own records, faults and events, with simulated
// times.
func TestLogger(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelInfo: `time=2000-01-01T00:00:00.000Z level=INFO msg=fault from=a to=b note=link
time=2000-01-01T00:00:00.200Z level=WARN msg=wrote host=a
time=2000-01-01T00:00:00.300Z level=INFO msg=read host=b n=1 poem.bytes=1
time=2000-01-01T00:00:01.200Z level=INFO msg=fault from=a|b note=partition
`,
		slog.LevelDebug: `time=2000-01-01T00:00:00.000Z level=INFO msg=fault from=a to=b note=link
time=2000-01-01T00:00:00.100Z level=DEBUG msg=connect from=a to=b conn=a/tcp#1
time=2000-01-01T00:00:00.200Z level=DEBUG msg=accept from=a to=b conn=a/tcp#1
time=2000-01-01T00:00:00.200Z level=WARN msg=wrote host=a
time=2000-01-01T00:00:00.300Z level=DEBUG msg=data from=a to=b conn=a/tcp#1 offset=0 bytes=1
time=2000-01-01T00:00:00.300Z level=INFO msg=read host=b n=1 poem.bytes=1
time=2000-01-01T00:00:01.200Z level=INFO msg=fault from=a|b note=partition
`,
	} {
		var text bytes.Buffer
		utc := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				a.Value = slog.TimeValue(a.Value.Time().UTC())
			}
			return a
		}
		logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: level, ReplaceAttr: utc}))
		simtest.Config{Logger: logger}.Run(t, logged)
		assert.Equal(t, want, text.String())
	}
}

// Without Config.Logger, the hosts' own records are in the test's log.
func TestLoggerOfTheTest(t *testing.T) {
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		var late *slog.Logger
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			logged(t, sim)
			late = sim.Host("a").Logger()
			t.Fail()
		})
		late.Error("it is over")
		return
	}
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name())
	assert.Contains(t, output, "    at=200ms level=WARN msg=wrote host=a\n    at=300ms level=INFO msg=read host=b n=1 poem.bytes=1\n")
	assert.NotContains(t, output, "it is over")
	assert.NotContains(t, output, "panic")
	require.NotContains(t, output, "msg=data")
}

// A host's handler conforms to log/slog, if the handler of Config.Logger does: it keeps
// levels, attributes and groups.
func TestLoggerKeepsLevelsAttributesAndGroups(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	config := simtest.Config{Logger: slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		logger := sim.Host("a").Logger()
		assert.False(t, logger.Enabled(t.Context(), slog.LevelDebug))
		assert.True(t, logger.Enabled(t.Context(), slog.LevelInfo))
		require.NoError(t, slogtest.TestHandler(logger.Handler(), func() (records []map[string]any) {
			for decoder := json.NewDecoder(&text); decoder.More(); {
				var record map[string]any
				require.NoError(t, decoder.Decode(&record))
				assert.Equal(t, "a", record["host"])
				records = append(records, record)
			}
			return records
		}))
	})
}

// The test's log takes attributes of any name.
func TestLoggerOfTheTestTakesAnyAttribute(t *testing.T) {
	if os.Getenv("SIMTEST_FAILING") == t.Name() {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			time.Sleep(time.Second)
			sim.Host("a").Logger().Debug("it is", "time", "noon", slog.Group("time", "level", 3))
			t.Fail()
		})
		return
	}
	output := runSelf(t, t.Name(), "SIMTEST_FAILING="+t.Name())
	assert.Contains(t, output, "    at=1s level=DEBUG msg=\"it is\" host=a time=noon time.level=3\n")
}
