package simtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Over TCP as the kernel has it, too, each program is one and the same every time,
// with and without chance in it.
func TestContractOverTCP(t *testing.T) {
	clean := netem.Link{Latency: 5 * ms, Rate: 10 * netem.Mbps}
	chance := netem.Link{Latency: 5 * ms, Rate: 10 * netem.Mbps, Jitter: netem.Jitter{Deviation: 3 * ms}, Loss: netem.Loss{Random: 0.02}}
	for name, program := range map[string]simulation{
		"poetry, blocking": slowPoetry(false),
		"poetry":           slowPoetry(true),
		"http":             lockStep,
		"election":         elections(1),
		"chaos":            chaos,
	} {
		for link, config := range map[string]simtest.Config{"clean": {Link: clean}, "chance": {Seed: 7, Link: chance}} {
			t.Run(name+", "+link, func(t *testing.T) {
				kernel(t)
				checkOneDigest(t, config, program)
			})
		}
	}
}

// With seeds, programs over TCP come in other orders, and keep to them.
func TestSeedsOverTCP(t *testing.T) {
	kernel(t)
	link := netem.Link{Latency: 5 * ms}
	checkSeeds(t, simtest.Config{Link: link}, lockStep)
	checkSeeds(t, simtest.Config{Link: overland}, chaos)
}

// What the poetry experiment prints, and when, is the same over TCP: its poems are
// so slow that nothing of TCP limits them.
func TestPoetryOverTCPIsOnTime(t *testing.T) {
	config := simtest.Config{Link: netem.Link{Latency: 150 * ms}}
	for _, asynchronous := range []bool{false, true} {
		ideal := runOnce(t, config, slowPoetry(asynchronous))
		t.Run("tcp", func(t *testing.T) {
			kernel(t)
			assert.Equal(t, ideal.notes, runOnce(t, config, slowPoetry(asynchronous)).notes)
		})
	}
}
