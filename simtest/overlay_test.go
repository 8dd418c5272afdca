package simtest

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
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

// An overlay of another version of slownet is an error that says how to mend it.
func TestCheckInterface(t *testing.T) {
	require.NoError(t, checkInterface(overlayInterface, ""))
	require.NoError(t, checkInterface(overlayInterface, "v1.2.3"))
	assert.EqualError(t, checkInterface(99, "v1.2.3"), fmt.Sprintf("simtest: the overlay is of a version of slownet that does not fit simtest v1.2.3 (its interface has the number 99, not %d): install that version with go install github.com/slowpoetry/slowpoetry/cmd/slownet@v1.2.3, or run the test with go run github.com/slowpoetry/slowpoetry/cmd/slownet test, which builds slownet in simtest's version, or set SIMTEST_OVERLAY=none", overlayInterface))
	assert.EqualError(t, checkInterface(99, ""), fmt.Sprintf("simtest: the overlay is of a version of slownet that does not fit this simtest (its interface has the number 99, not %d): run the test with go run github.com/slowpoetry/slowpoetry/cmd/slownet test, which builds slownet in simtest's version, or set SIMTEST_OVERLAY=none", overlayInterface))
}

// The version of simtest is that of the module cache, with -trimpath or without.
func TestVersionIn(t *testing.T) {
	for file, version := range map[string]string{
		"/root/go/pkg/mod/github.com/slowpoetry/slowpoetry@v1.2.3/simtest/overlay.go": "v1.2.3",
		"github.com/slowpoetry/slowpoetry@v1.2.3/simtest/overlay.go":                  "v1.2.3",
		"/src/example/vendor/github.com/slowpoetry/slowpoetry/simtest/overlay.go":     "",
		"/home/me/slowpoetry/simtest/overlay.go":                                      "",
		"/root/go/pkg/mod/github.com/another/slowpoetry@v1.2.3/simtest/overlay.go":    "",
	} {
		assert.Equal(t, version, versionIn(file), file)
	}
}

// anotherOverlay is a runtime with an overlay whose interface has another number.
type anotherOverlay struct{}

func (anotherOverlay) SimtestInterface() int { return 99 }

// The number of an overlay that does not fit is found, without its methods.
func TestFindOverlay(t *testing.T) {
	found, number := findOverlay(anotherOverlay{})
	assert.Nil(t, found)
	assert.Equal(t, 99, number)
	found, number = findOverlay(struct{}{})
	assert.Nil(t, found)
	assert.Zero(t, number)
}

// The overlay and this package have the same number, and get another one together if the
// calls between them change.
func TestOverlayInterface(t *testing.T) {
	const std = "../internal/overlay/std/"
	var declared []string
	files := token.NewFileSet()
	for _, name := range []string{"runtime", "net"} {
		file, err := parser.ParseFile(files, std+name+"/zsimtest.go.txt", nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Simtest") {
				continue
			}
			if f.Name.Name != "SimtestInterface" {
				f.Body = nil
			}
			var text strings.Builder
			require.NoError(t, format.Node(&text, files, f))
			declared = append(declared, strings.Join(strings.Fields(text.String()), " "))
		}
	}
	assert.Equal(t, []string{
		fmt.Sprintf("func (*PanicNilError) SimtestInterface() int { return %d }", overlayInterface),
		"func (*PanicNilError) SimtestBubble(layers uint32, seed, schedule uint64)",
		"func (*PanicNilError) SimtestExplore()",
		"func (*PanicNilError) SimtestSetHost(host uint64)",
		"func (*PanicNilError) SimtestHost() uint64",
		"func (*PanicNilError) SimtestStream(key uint64) (id, draws uint64)",
		"func (*PanicNilError) SimtestStreamBack(id, draws uint64)",
		"func (*PanicNilError) SimtestTurns() (turns, choices, lost uint64)",
		"func (*ParseError) SimtestNetwork( dial func(ctx context.Context, host uint64, network, local, remote string) (Conn, error), listen func(host uint64, network, address string) (Listener, error), listenPacket func(host uint64, network, address string) (PacketConn, error), lookup func(ctx context.Context, host uint64, name string) ([]IPAddr, error), addrs func(host uint64) []Addr, )",
	}, declared, "if the calls have changed, change the number in overlay.go and in the overlay's runtime, and then this list")
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
