package simtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Over links with a rate, with and without random effects, each program behaves the
// same in every run, over TCP and over ideal streams.
func TestContractOverLinks(t *testing.T) {
	clean := netem.Link{Latency: 5 * ms, Rate: 10 * netem.Mbps}
	chance := netem.Link{Latency: 5 * ms, Rate: 10 * netem.Mbps, Jitter: netem.Jitter{Deviation: 3 * ms}, Loss: netem.Loss{Random: 0.02}}
	for name, program := range map[string]simulation{
		"poetry, blocking": slowPoetry(false),
		"poetry":           slowPoetry(true),
		"http":             lockStep,
		"election":         elections(1),
		"chaos":            chaos,
	} {
		for tcp, config := range map[string]simtest.Config{"": {}, ", ideal": ideal} {
			for link, config := range map[string]simtest.Config{
				"clean":  {TCP: config.TCP, Link: clean},
				"chance": {TCP: config.TCP, Seed: 7, Link: chance},
			} {
				if name == "election" && tcp != "" && link == "chance" {
					continue // an ideal stream takes a second to retransmit, and leaders change
				}
				t.Run(name+tcp+", "+link, func(t *testing.T) {
					checkOneDigestOf(t, tier.Count(1, 150), config, program)
				})
			}
		}
	}
}

// With seeds, programs over ideal streams run in other orders, too.
func TestSeedsOverIdealStreams(t *testing.T) {
	checkSeeds(t, simtest.Config{TCP: unlimited, Link: netem.Link{Latency: 5 * ms}}, lockStep)
	checkSeeds(t, simtest.Config{TCP: unlimited, Link: overland}, chaos)
}

// The output of the poetry experiment and its times are the same over TCP and over
// ideal streams: its poems are so slow that TCP does not limit them.
func TestPoetryOverTCPIsOnTime(t *testing.T) {
	config := simtest.Config{Link: netem.Link{Latency: 150 * ms}}
	over := config
	over.TCP = unlimited
	for _, asynchronous := range []bool{false, true} {
		assert.Equal(t, runOnce(t, over, slowPoetry(asynchronous)).notes, runOnce(t, config, slowPoetry(asynchronous)).notes)
	}
}
