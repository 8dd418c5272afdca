package simtest

import (
	"time"
	"unsafe"
)

// SetLookEvery changes the interval at which the watchdog looks, until the returned
// function is called.
func SetLookEvery(d time.Duration) (restore func()) {
	old := lookEvery
	lookEvery = d
	return func() { lookEvery = old }
}

// SetMaxAtOnce changes the maximum number of events at one instant, until the returned
// function is called.
func SetMaxAtOnce(n int) (restore func()) {
	old := maxAtOnce
	maxAtOnce = n
	return func() { maxAtOnce = old }
}

// GoTestCommand returns the command, after the variables, in the lines that run a test
// again.
func GoTestCommand() string {
	if Overlay().On() {
		return "slownet test"
	}
	return "go test"
}

// RunAsTest runs f in a test, in a benchmark.
var RunAsTest = runAsTest

// PortsInUse returns the number of ports that the host has given to connections.
func PortsInUse(h *Host) int {
	h.sim.mu.Lock()
	defer h.sim.mu.Unlock()
	return len(h.ports.conns)
}

// SetPorts limits hosts to n ephemeral ports, from the first one on.
func SetPorts(n int) (restore func()) {
	before := lastPort
	lastPort = uint16(firstPort + n - 1)
	return func() { lastPort = before }
}

// SetAllInTime makes acknowledgements and timers happen in time rather than lazily,
// until the returned function is called.
func SetAllInTime() (restore func()) {
	allInTime = true
	return func() { allInTime = false }
}

// SetNeverDefer makes writes wake the loop at once, until the returned function is called.
func SetNeverDefer() (restore func()) {
	neverDefer = true
	return func() { neverDefer = false }
}

// TurnsOf returns the number of turns of the loop.
func TurnsOf(s *Sim) uint64 { return s.turns.Load() }

// SeedOf returns the simulation's seed.
func SeedOf(s *Sim) uint64 { return s.seed }

// SetSeedTimeout changes the time for which a search waits for a seed, until the
// process ends.
func SetSeedTimeout(d time.Duration) { seedTimeout = d }

// IsCut reports whether the path from one host to another is cut.
func IsCut(s *Sim, from, to string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isCutLocked(from, to)
}

// TCPConnSize is the size of a connection over TCP, in bytes.
const TCPConnSize = int(unsafe.Sizeof(tcpConn{}))

// SetPrefetchMinimum sets the number of events from which connections are prefetched.
// It returns a function that restores the old number.
func SetPrefetchMinimum(n int) (restore func()) {
	old := prefetchMinimum
	prefetchMinimum = n
	return func() { prefetchMinimum = old }
}
