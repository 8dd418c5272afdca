package simtest

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// Layers are the parts of the standard library's overlay. See docs/unmodified.md.
type Layers struct {
	// Time: a goroutine that waits for a mutex does not stop time if the mutex is held
	// in the simulation. A sync.Pool keeps nothing in a simulation.
	Time bool
	// Order: goroutines of a simulation run one at a time, in an order that
	// [Config.Schedule] decides, and the random numbers of the runtime, math/rand and
	// crypto/rand follow the seed.
	Order bool
	// Net: in code run by [Host.Run], [Host.Go] or [Host.Do], the net package uses the
	// host's network.
	Net bool
}

// Overlay returns the layers of the standard library's overlay that are on. There are
// none unless the program was built with the overlay, as by slownet test. Then all are
// on, or only the layers listed in the environment variable SIMTEST_OVERLAY, such as
// "time,net"; the value "none" turns all off.
func Overlay() Layers {
	layers, _ := layersFromEnvironment()
	return layers
}

// On reports whether any layer is on.
func (l Layers) On() bool { return l != Layers{} }

// String lists the layers that are on, as SIMTEST_OVERLAY does.
func (l Layers) String() string {
	var names []string
	for _, layer := range layerNames {
		if *layer.of(&l) {
			names = append(names, layer.name)
		}
	}
	if len(names) == 0 {
		return noLayers
	}
	return strings.Join(names, ",")
}

// The overlay's environment variables.
const (
	overlayVariable  = "SIMTEST_OVERLAY"
	scheduleVariable = "SIMTEST_SCHEDULE"
)

// Values of SIMTEST_OVERLAY other than a list.
const (
	noLayers  = "none"
	allLayers = "all"
)

// layerNames are the layers, in the order of their bits in the runtime.
var layerNames = []struct {
	name string
	of   func(*Layers) *bool
}{
	{"time", func(l *Layers) *bool { return &l.Time }},
	{"order", func(l *Layers) *bool { return &l.Order }},
	{"net", func(l *Layers) *bool { return &l.Net }},
}

// overlayInterface is the number of the interface between the overlay and this package.
// It also stands in the overlay's part of the runtime.
const overlayInterface = 1

// overlaid is the additional API of an overlaid runtime, if the number of its interface is
// overlayInterface.
type overlaid interface {
	SimtestBubble(layers uint32, seed, schedule uint64)
	SimtestExplore()
	SimtestSetHost(host uint64)
	SimtestHost() uint64
	SimtestStream(key uint64) (id, draws uint64)
	SimtestStreamBack(id, draws uint64)
	SimtestTurns() (turns, choices, lost uint64)
}

// overlay is the runtime's part of the overlay, or nil if the program was built without
// it, or with one that does not fit. overlayBuilt is the number of its interface, or zero
// if the program was built without it.
var overlay, overlayBuilt = findOverlay(new(runtime.PanicNilError))

// findOverlay finds the overlay in the methods of a type of the runtime.
func findOverlay(of any) (found overlaid, number int) {
	if numbered, ok := of.(interface{ SimtestInterface() int }); ok {
		number = numbered.SimtestInterface()
	}
	if number == overlayInterface {
		found = of.(overlaid)
	}
	return found, number
}

// layersFromEnvironment returns the layers that are on.
func layersFromEnvironment() (Layers, error) { return layersFrom(environment()) }

// layersFrom returns the layers that are on in an environment.
func layersFrom(get environ) (Layers, error) {
	layers, err := parseLayers(get(overlayVariable), overlayBuilt != 0)
	if err == nil && layers.On() {
		err = checkInterface(overlayBuilt, simtestVersion())
	}
	if err != nil {
		return Layers{}, err
	}
	return layers, nil
}

// checkInterface returns an error unless an overlay with this number of its interface fits
// this package, of the given version, or "" if it has none.
func checkInterface(number int, version string) error {
	if number == overlayInterface {
		return nil
	}
	simtest, install := "this simtest", ""
	if version != "" {
		simtest, install = "simtest "+version, "install that version with go install "+slownet+"@"+version+", or "
	}
	return fmt.Errorf("simtest: the overlay is of a version of slownet that does not fit %s (its interface has the number %d, not %d): %srun the test with go run %s test, which builds slownet in simtest's version, or set %s=%s", simtest, number, overlayInterface, install, slownet, overlayVariable, noLayers)
}

// simtestVersion returns the version of this module, such as v1.2.3, or "" if this package
// is not built from the module cache.
func simtestVersion() string {
	_, file, _, _ := runtime.Caller(0) // the build information of a test does not have the version
	return versionIn(file)
}

// versionIn returns this module's version in the name of a file of the module cache, or "".
func versionIn(file string) string {
	_, rest, _ := strings.Cut(file, module+"@")
	version, _, _ := strings.Cut(rest, "/")
	return version
}

// parseLayers parses SIMTEST_OVERLAY.
func parseLayers(text string, built bool) (layers Layers, err error) {
	switch text {
	case noLayers:
		return Layers{}, nil
	case "", allLayers:
		layers = Layers{true, true, true}
	default:
		for name := range strings.SplitSeq(text, ",") {
			i := slices.IndexFunc(layerNames, func(l struct {
				name string
				of   func(*Layers) *bool
			}) bool {
				return l.name == name
			})
			if i < 0 {
				return Layers{}, fmt.Errorf("simtest: %s is %q, and there is no layer %q: set it to a comma-separated list of time, order and net, or to %s or %s, or unset it", overlayVariable, text, name, allLayers, noLayers)
			}
			*layerNames[i].of(&layers) = true
		}
	}
	if !built {
		if text != "" {
			return Layers{}, fmt.Errorf("simtest: %s is %q, but the program was built without the overlay: run it with slownet test instead of go test, or unset the variable", overlayVariable, text)
		}
		return Layers{}, nil
	}
	return layers, nil
}

// scheduleFromEnvironment returns the seed of the schedule from SIMTEST_SCHEDULE, or
// the configured one.
func scheduleFromEnvironment(configured uint64, layers Layers) (uint64, error) {
	return scheduleFrom(environment(), configured, layers)
}

// scheduleFrom returns the seed of the schedule in an environment, or the configured one.
func scheduleFrom(get environ, configured uint64, layers Layers) (uint64, error) {
	schedule := configured
	if text := get(scheduleVariable); text != "" {
		var err error
		if schedule, err = strconv.ParseUint(text, 10, 64); err != nil {
			return 0, fmt.Errorf("simtest: %s is %q, which is not a seed: set it to a whole number from 0 to %d, or unset it", scheduleVariable, text, uint64(1<<64-1))
		}
	}
	if schedule != 0 && !layers.Order {
		if text := get(overlayVariable); text != "" {
			return 0, fmt.Errorf("simtest: schedule %d needs the overlay's order layer, but %s is %q: add order to it, or unset it", schedule, overlayVariable, text)
		}
		return 0, fmt.Errorf("simtest: schedule %d needs the overlay's order layer: run it with slownet test instead of go test", schedule)
	}
	return schedule, nil
}

// scheduleNow returns the seed of the schedule that simulations use.
func (c *Config) scheduleNow() uint64 {
	schedule, _ := scheduleFromEnvironment(c.Schedule, Overlay()) // no error is possible where simulations run
	return schedule
}

// suffice returns an error if a layer that a replay needs is off.
func (l Layers) suffice(needs Layers) error {
	for _, layer := range layerNames {
		if *layer.of(&needs) && !*layer.of(&l) {
			return fmt.Errorf("simtest: the replay was made with the overlay's layers %v, but this run has %v: run it with slownet test, with %s=%v", needs, l, overlayVariable, needs)
		}
	}
	return nil
}

// enter turns the layers on in the calling goroutine's bubble.
func (l Layers) enter(seed, schedule uint64) {
	if !l.On() {
		return
	}
	var bits uint32
	for i, layer := range layerNames {
		if *layer.of(&l) {
			bits |= 1 << i
		}
	}
	overlay.SimtestBubble(bits, mix64.Mix(seed, 5), schedule)
}

// explore makes the bubble's goroutines yield to each other from now on, as the
// schedule decides.
func (l Layers) explore() {
	if l.On() {
		overlay.SimtestExplore()
	}
}

// Do calls f in the calling goroutine, which belongs to the host meanwhile: it draws
// from the host's stream of crypto/rand.Reader, and goroutines that it starts belong to
// the host. With the net layer of the overlay (see [Overlay]), the net package uses the
// host's network in f.
func (h *Host) Do(f func()) {
	defer h.sim.layers.setHost(h)()
	doOnHost(h.sim.bubble, h.name, f)
}

// setHost makes the calling goroutine belong to the host, and returns a function that
// undoes that. The numbers that the goroutine draws meanwhile depend on the host's name
// and the number of earlier calls for the host, and not on other hosts.
func (l Layers) setHost(h *Host) (restore func()) {
	var before, id, draws uint64
	if l.Net {
		before = overlay.SimtestHost()
		overlay.SimtestSetHost(h.overlayID())
	}
	if l.Order {
		id, draws = overlay.SimtestStream(mix64.Mix(mix64.String(6, h.name), h.streams.Add(1)))
	}
	return func() {
		if l.Net {
			overlay.SimtestSetHost(before)
		}
		if l.Order {
			overlay.SimtestStreamBack(id, draws)
		}
	}
}

// overlaySims counts simulations whose hosts are known to the net package.
var overlaySims atomic.Uint64

// overlayID returns the number by which the runtime knows the host.
func (h *Host) overlayID() uint64 { return h.sim.overlaySim<<32 | uint64(h.number) }
