package simtest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// simultaneousWrites makes hosts write three bytes each at one instant, and returns the
// order of arrival, and the digest.
func simultaneousWrites(t *testing.T, config simtest.Config, hosts int) (heard, digest string) {
	config.Link.Loss.Random = 1e-9 // with loss, bytes are sent in packets
	config.KeepPools = true
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("ear").Listen("tcp", ":1")
		require.NoError(t, err)
		var singers sync.WaitGroup
		for i := range hosts {
			host := sim.Host(fmt.Sprint("singer", i))
			singers.Go(func() {
				conn, err := host.Dial("tcp", "ear:1")
				if !assert.NoError(t, err) {
					return
				}
				time.Sleep(time.Second)
				for _, note := range "123" {
					_, _ = fmt.Fprintf(conn, "%c%c ", 'a'+i, note)
				}
				_ = conn.Close()
			})
		}
		for range hosts {
			conn, err := listener.Accept()
			require.NoError(t, err)
			singers.Go(func() {
				p := make([]byte, 10)
				for {
					n, err := conn.Read(p)
					heard += string(p[:n]) // one at a time, as the network delivers
					if err != nil {
						return
					}
				}
			})
		}
		singers.Wait()
		digest = sim.Trace().Digest()
	})
	return heard, digest
}

// Without a seed, bytes arrive in the order of sending. Each seed has an order of its
// own, the same in every run: it differs between connections, but never within one.
func TestSeeds(t *testing.T) {
	heard, digest := simultaneousWrites(t, ideal, 3)
	assert.Equal(t, "a1 a2 a3 b1 b2 b3 c1 c2 c3 ", heard)
	orders, digests := map[string]bool{heard: true}, map[string]bool{digest: true}
	interleaved := false
	const seeds = 50
	for seed := range uint64(seeds) {
		heard, digest := simultaneousWrites(t, simtest.Config{TCP: unlimited, Seed: seed + 1}, 3)
		again, digestAgain := simultaneousWrites(t, simtest.Config{TCP: unlimited, Seed: seed + 1}, 3)
		assert.Equal(t, heard, again)
		assert.Equal(t, digest, digestAgain)
		orders[heard], digests[digest] = true, true
		for _, singer := range "abc" {
			at := strings.Index(heard, string(singer)+"1")
			at2 := strings.Index(heard, string(singer)+"2")
			assert.Less(t, at, at2)
			assert.Less(t, at2, strings.Index(heard, string(singer)+"3"))
			interleaved = interleaved || at2 > at+3
		}
	}
	assert.Len(t, digests, seeds+1)
	assert.Greater(t, len(orders), seeds*3/4)
	assert.True(t, interleaved, "not only connection after connection")
}

// The seed also decides jitter and loss, which differ between connections.
func TestSeedsDecideLinks(t *testing.T) {
	arrivals := func(seed uint64) (all [2][]time.Duration) {
		link := netem.Link{Latency: time.Second, Jitter: netem.Jitter{Deviation: 100 * ms}, Loss: netem.Loss{Random: 0.1}}
		simtest.Config{Seed: seed, Link: link}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			listener, err := sim.Host("b").Listen("tcp", ":1")
			require.NoError(t, err)
			var readers sync.WaitGroup
			for i := range all {
				client, err := sim.Host("a").Dial("tcp", "b:1")
				require.NoError(t, err)
				server, err := listener.Accept()
				require.NoError(t, err)
				start := time.Now()
				for range 20 {
					write1(t, client, 'x')
				}
				readers.Go(func() {
					for range 20 {
						read1(t, server, 'x')
						all[i] = append(all[i], time.Since(start))
					}
				})
			}
			readers.Wait()
		})
		return all
	}
	first := arrivals(1)
	assert.Equal(t, first, arrivals(1))
	assert.NotEqual(t, first[0], first[1])
	assert.NotEqual(t, first, arrivals(2))
	assert.NotEqual(t, first, arrivals(0))
	assert.Equal(t, arrivals(0), arrivals(0))
}

// The seed decides the draws of the simulation and its hosts.
func TestRand(t *testing.T) {
	draw := func(seed uint64) (all []uint64) {
		simtest.Config{Seed: seed}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			all = append(all, sim.Rand().Uint64(), sim.Rand().Uint64(), sim.Host("a").Rand().Uint64(), sim.Host("b").Rand().Uint64())
		})
		return all
	}
	assert.Equal(t, draw(7), draw(7))
	seen := make(map[uint64]bool)
	for seed := range uint64(10) {
		for _, n := range draw(seed) {
			seen[n] = true
		}
	}
	assert.Len(t, seen, 40)
}
