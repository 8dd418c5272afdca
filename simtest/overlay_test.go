package simtest

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseLayers(t *testing.T) {
	for text, want := range map[string]Layers{
		"":               {true, true, true},
		"all":            {true, true, true},
		"none":           {},
		"time":           {Time: true},
		"net,order":      {Order: true, Net: true},
		"time,order,net": {true, true, true},
	} {
		layers, err := parseLayers(text, true)
		require.NoError(t, err, text)
		assert.Equal(t, want, layers, text)
		again, err := parseLayers(want.String(), true)
		require.NoError(t, err, text)
		assert.Equal(t, want, again, text)
	}
	_, err := parseLayers("time,orders", true)
	assert.EqualError(t, err, `simtest: SIMTEST_OVERLAY is "time,orders", and there is no layer "orders": set it to a comma-separated list of time, order and net, or to all or none, or unset it`)
}

// Without the overlay no layer is on, and requesting one is an error.
func TestParseLayersWithoutTheOverlay(t *testing.T) {
	for _, text := range []string{"", "none"} {
		layers, err := parseLayers(text, false)
		require.NoError(t, err, text)
		assert.False(t, layers.On(), text)
		assert.Equal(t, "none", layers.String())
	}
	_, err := parseLayers("time", false)
	assert.EqualError(t, err, `simtest: SIMTEST_OVERLAY is "time", but the program was built without the overlay: run it with slownet test instead of go test, or unset the variable`)
}

// A schedule requires the order layer.
func TestScheduleFromEnvironment(t *testing.T) {
	t.Setenv(scheduleVariable, "")
	t.Setenv(overlayVariable, "")
	schedule, err := scheduleFromEnvironment(0, Layers{})
	require.NoError(t, err)
	assert.Zero(t, schedule)
	schedule, err = scheduleFromEnvironment(7, Layers{Order: true})
	require.NoError(t, err)
	assert.EqualValues(t, 7, schedule)
	_, err = scheduleFromEnvironment(7, Layers{Time: true})
	assert.EqualError(t, err, "simtest: schedule 7 needs the overlay's order layer: run it with slownet test instead of go test")
	t.Setenv(overlayVariable, "time")
	_, err = scheduleFromEnvironment(7, Layers{Time: true})
	assert.EqualError(t, err, `simtest: schedule 7 needs the overlay's order layer, but SIMTEST_OVERLAY is "time": add order to it, or unset it`)
	t.Setenv(scheduleVariable, "8")
	schedule, err = scheduleFromEnvironment(7, Layers{Order: true})
	require.NoError(t, err)
	assert.EqualValues(t, 8, schedule)
	t.Setenv(scheduleVariable, "eight")
	_, err = scheduleFromEnvironment(7, Layers{Order: true})
	assert.EqualError(t, err, `simtest: SIMTEST_SCHEDULE is "eight", which is not a seed: set it to a whole number from 0 to 18446744073709551615, or unset it`)
}

// A replay made with the overlay records its layers, and requires them.
func TestReplayNeedsItsLayers(t *testing.T) {
	r := &replay{goVersion: runtime.Version(), seed: 3, layers: Layers{Time: true, Order: true}, order: 9}
	text := r.text()
	assert.Contains(t, text, "\noverlay time,order\nschedule 9\n")
	again, err := parseReplay("x", []byte(text))
	require.NoError(t, err)
	assert.Equal(t, text, again.text())
	var config Config
	again.apply(&config)
	assert.EqualValues(t, 9, config.Schedule)
	require.NoError(t, Layers{true, true, true}.suffice(config.needs))
	assert.EqualError(t, Layers{Net: true}.suffice(config.needs), "simtest: the replay was made with the overlay's layers time,order, but this run has net: run it with slownet test, with SIMTEST_OVERLAY=time,order")
	_, err = parseReplay("x", []byte(strings.Replace(text, "time,order", "tim", 1)))
	require.Error(t, err)
	assert.Contains(t, err.Error(), `"tim" is not a list of overlay layers`)
}

// The command line printed for a replay turns on the layers that the replay needs.
func TestLineOfAReplayWithLayers(t *testing.T) {
	t.Setenv(overlayVariable, "none")
	command := []string{"go", "test", "-run", "X"}
	line := func(layers Layers) string {
		return replayLine(command, overlaySettings(0), &namedReplay{"x.replay", &replay{layers: layers}})
	}
	assert.Equal(t, commandLine(runtime.GOOS, command, overlayVariable, "none", replayVariable, "x.replay"), line(Layers{}))
	with := append([]string{"slownet"}, command[1:]...)
	assert.Equal(t, commandLine(runtime.GOOS, with, replayVariable, "x.replay"), line(Layers{true, true, true}))
	assert.Equal(t, commandLine(runtime.GOOS, with, overlayVariable, "time,net", replayVariable, "x.replay"), line(Layers{Time: true, Net: true}))
}

// A printed command line sets the variables that the overlay needs.
func TestRerunLineWithASchedule(t *testing.T) {
	t.Setenv(overlayVariable, "")
	assert.Empty(t, overlaySettings(0))
	t.Setenv(overlayVariable, "time,order")
	assert.Equal(t, []string{overlayVariable, "time,order", scheduleVariable, "5"}, overlaySettings(5))
	assert.Equal(t, "SIMTEST_OVERLAY=time,order SIMTEST_SEED=7 slownet test", commandLine("linux", []string{"slownet", "test"}, overlayVariable, "time,order", seedVariable, "7"))
	assert.Equal(t, "$env:SIMTEST_OVERLAY='time,order'; $env:SIMTEST_SEED=7; slownet test", commandLine("windows", []string{"slownet", "test"}, overlayVariable, "time,order", seedVariable, "7"))
}
