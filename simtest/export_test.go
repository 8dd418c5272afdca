package simtest

import (
	"os"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// SetLookEvery changes how often the watchdog looks, until the function that it
// returns is called.
func SetLookEvery(d time.Duration) (restore func()) {
	old := lookEvery
	lookEvery = d
	return func() { lookEvery = old }
}

// SetMaxAtOnce changes how much may happen at one instant, until the function
// that it returns is called.
func SetMaxAtOnce(n int) (restore func()) {
	old := maxAtOnce
	maxAtOnce = n
	return func() { maxAtOnce = old }
}

// RunAsTest runs f in a test, in a benchmark.
var RunAsTest = runAsTest

// PortsInUse returns how many ports the host has given to connections.
func PortsInUse(h *Host) int {
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	return len(h.ports.conns)
}

// The tests run with TCP of the kernel's if SIMTEST_TCP=cubic says so.
func init() {
	if os.Getenv("SIMTEST_TCP") == "cubic" {
		defaultCongestion = netem.CUBIC
	}
}

// SetDefaultCongestion changes what a zero TCP means, until the function that it
// returns is called.
func SetDefaultCongestion(c netem.Congestion) (restore func()) {
	old := defaultCongestion
	defaultCongestion = c
	return func() { defaultCongestion = old }
}

// SetAllInTime has acknowledgements and timers happen in time, and not when somebody
// could notice, until the function that it returns is called.
func SetAllInTime() (restore func()) {
	allInTime = true
	return func() { allInTime = false }
}
