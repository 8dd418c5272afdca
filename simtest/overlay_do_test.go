package simtest_test

import (
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Code in Host.Do belongs to the host, with the goroutines that it starts; afterwards
// the goroutine belongs to its previous host.
func TestHostDo(t *testing.T) {
	draw := func() string {
		b := make([]byte, 8)
		_, err := cryptorand.Read(b)
		require.NoError(t, err)
		return fmt.Sprintf("%x", b)
	}
	drawn := make(map[string][]string)
	for range 2 {
		simtest.Config{Seed: 3, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			drawn["test"] = append(drawn["test"], draw())
			sim.Host("a").Do(func() {
				drawn["a"] = append(drawn["a"], draw())
				sim.Host("b").Do(func() {
					done := make(chan struct{})
					go func() {
						drawn["b"] = append(drawn["b"], draw())
						close(done)
					}()
					<-done
				})
				drawn["a"] = append(drawn["a"], draw())
			})
			drawn["test"] = append(drawn["test"], draw())
		})
	}
	if simtest.Overlay().Order {
		return // there each goroutine has a stream of its own
	}
	streams := make(map[string]bool)
	for who, all := range drawn {
		half := len(all) / 2
		assert.Equal(t, all[:half], all[half:], who)
		for _, d := range all {
			streams[d] = true
		}
	}
	assert.Len(t, streams, 5)

	// A host's own goroutines draw from the same stream as functions that Do calls.
	var by []string
	for _, f := range []func(h *simtest.Host, f func()){
		func(h *simtest.Host, f func()) { h.Do(f) },
		func(h *simtest.Host, f func()) {
			done := make(chan struct{})
			h.Go(func(context.Context) { f(); close(done) })
			<-done
		},
	} {
		simtest.Config{Seed: 3, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			f(sim.Host("a"), func() { by = append(by, draw()) })
		})
	}
	assert.Equal(t, by[0], by[1])
}
