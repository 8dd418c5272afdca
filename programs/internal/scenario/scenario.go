// Package scenario runs a simulation of a program twice in one process, one run
// after the other, and compares the runs.
//
// The first run may leave state in the process for the second: pools of timers
// and channels, generators that were seeded once, counters.
package scenario

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The link between any two hosts.
const (
	OneWay    = 50 * time.Millisecond
	RoundTrip = 2 * OneWay
	Rate      = netem.Mbps
)

// Bytes returns the transmission time of n bytes: 8 µs each.
func Bytes(n int) time.Duration { return time.Duration(n) * 8 * time.Microsecond }

// Headers returns the transmission time of the headers of n segments, or of n
// segments without payload. Connecting takes three: the SYN, the SYN-ACK and the
// acknowledgement.
//
// At first each segment is acknowledged when it arrives. Once an end has answered
// received data, it delays its acknowledgements, so that its answers carry them; only
// every second full segment is acknowledged at once.
func Headers(n int) time.Duration { return Bytes(n * netem.HeaderSize) }

// Segments returns the number of segments that n bytes need.
func Segments(n int) int { return (n + netem.MSS - 1) / netem.MSS }

// Pause is the time for which nothing is sent after the first ten segments, the
// initial window. If the other end delays acknowledgements, the first one arrives a
// round trip after two segments. From then on four segments are sent for each two that
// are acknowledged, so the link is not idle again.
const Pause = RoundTrip + (netem.HeaderSize+2*1500-10*1500)*8*time.Microsecond

// Retransmitted asserts that an operation took as long as TCP takes until the nth
// retransmission of a segment, plus rest. The retransmission timer waits for the
// timeout, which doubles each time. The first retransmission is a tail loss probe,
// after which the timer starts. The timeout is srtt + max(200 ms, 4 rttvar), which is
// 300 ms plus the contribution of earlier exchanges to srtt.
func Retransmitted(t *testing.T, n int, rest, took time.Duration) {
	t.Helper()
	timeout := (took - rest) >> (n - 1)
	assert.GreaterOrEqual(t, timeout, RoundTrip+200*time.Millisecond)
	assert.LessOrEqual(t, timeout, RoundTrip+212*time.Millisecond)
}

// An Outcome contains a test's notes on a run, line by line.
type Outcome struct {
	mu    sync.Mutex
	lines []string
}

// Note adds a line. It may be called from any goroutine of the simulation.
func (o *Outcome) Note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
}

// A Func is a simulation with the hosts "client" and "server".
type Func func(t *testing.T, sim *simtest.Sim, o *Outcome)

// seeds is the number of seeds for each simulation: 0, 1 and so on.
var seeds = tier.Pick(2, 50)

// Same runs f twice with each seed. Both runs must have the same events, byte
// for byte, and the same outcome.
func Same(t *testing.T, f Func) {
	t.Helper()
	same(t, netem.TCP{}, f)
}

// SameIdeal is Same over ideal streams.
func SameIdeal(t *testing.T, f Func) {
	t.Helper()
	same(t, netem.TCP{Congestion: netem.Unlimited}, f)
}

func same(t *testing.T, tcp netem.TCP, f Func) {
	t.Helper()
	for seed := range uint64(seeds) {
		r, config := runs{f: f}, config(seed)
		config.TCP = tcp
		simtest.CheckDeterminism(t, config, r.run)
		r.compare(t, seed)
	}
}

// Alike runs f twice with each seed. Both runs must have the same outcome. Their
// events may differ; the test's log contains their digests.
func Alike(t *testing.T, f Func) {
	t.Helper()
	for seed := range uint64(seeds) {
		r := runs{f: f}
		config(seed).Run(t, r.run)
		config(seed).Run(t, r.run)
		r.compare(t, seed)
	}
}

func config(seed uint64) simtest.Config {
	return simtest.Config{Seed: seed, Link: netem.Link{Latency: OneWay, Rate: Rate}}
}

// runs holds the results of several runs of f.
type runs struct {
	f        Func
	outcomes []*Outcome
	digests  []string
}

func (r *runs) run(t *testing.T, sim *simtest.Sim) {
	sim.Host("client")
	sim.Host("server")
	o := &Outcome{}
	r.outcomes = append(r.outcomes, o)
	r.f(t, sim, o)
	r.digests = append(r.digests, sim.Trace().Digest())
}

func (r *runs) compare(t *testing.T, seed uint64) {
	t.Helper()
	if len(r.outcomes) == 2 { // otherwise the first run failed
		assert.Equal(t, r.outcomes[0].lines, r.outcomes[1].lines, "the outcomes of two runs")
	}
	t.Logf("seed %d: digests %s", seed, r.digests)
}

// Took returns the simulated time that f takes.
func Took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// Cut cuts the client off from all other hosts for d, starting now.
func Cut(sim *simtest.Sim, d time.Duration) {
	sim.Partition([]string{"client"})
	sim.At(sim.Elapsed()+d, func() { sim.Heal() })
}

// Bounce crashes the server, and restarts it after d.
func Bounce(sim *simtest.Sim, d time.Duration) {
	sim.Host("server").Crash()
	sim.At(sim.Elapsed()+d, func() { sim.Host("server").Restart() })
}
