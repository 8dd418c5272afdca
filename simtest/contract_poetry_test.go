package simtest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/poetry"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// slowPoetry is the experiment, with two readers at the same time: three slow
// servers, and two readers, each on its own host, that read the poems one after
// another or all at once.
func slowPoetry(asynchronous bool) simulation {
	return func(t *testing.T, sim *simtest.Sim, note func(string, ...any)) {
		var servers sync.WaitGroup
		t.Cleanup(servers.Wait)
		var addresses []string
		for i, name := range []string{"ecstasy", "fascination", "science"} {
			poem, ok := poetry.Poem(name)
			require.True(t, ok)
			address := fmt.Sprint(name, ":", 10000+i)
			listener, err := sim.Host(name).Listen("tcp", address)
			require.NoError(t, err)
			server := &poetryserver.Server{Poem: poem, Pace: netem.Pace{Bytes: 40, Wait: 100 * ms}, Concurrent: asynchronous}
			servers.Go(func() { _ = server.Serve(listener) })
			t.Cleanup(func() { _ = server.Close() })
			addresses = append(addresses, address)
		}
		var readers sync.WaitGroup
		read := make([]string, 2)
		for i := range read {
			host := sim.Host(fmt.Sprint("reader", i+1))
			readers.Go(func() { read[i] = readPoems(t, host, addresses, asynchronous) })
		}
		readers.Wait()
		for i, text := range read {
			note("reader%d:\n%s", i+1, text)
		}
	}
}

// readPoems reads the poems on a host, and returns the output that the command would
// have.
func readPoems(t *testing.T, host *simtest.Host, addresses []string, asynchronous bool) string {
	var out strings.Builder
	printer := &cli.Printer{Out: &out, Err: &out}
	client := &clients.Client{Dial: host.DialContext}
	var results []clients.Result
	start := time.Now()
	if asynchronous {
		client.Observer = printer.Async
		results = client.GetAllAsync(context.Background(), addresses)
	} else {
		client.Observer = printer.Blocking
		results = client.GetAll(context.Background(), addresses)
	}
	printer.Sums(results)
	for _, result := range results {
		assert.NoError(t, result.Err)
		name, _, _ := strings.Cut(result.Address, ":")
		poem, _ := poetry.Poem(name)
		assert.Equal(t, string(poem), string(result.Poem))
	}
	fmt.Fprintf(&out, "in %v\n", time.Since(start))
	return out.String()
}

// The poetry experiment behaves the same in every run, blocking and asynchronous.
func TestContractPoetryBlocking(t *testing.T) {
	checkOneDigest(t, simtest.Config{Link: netem.Link{Latency: 150 * ms}}, slowPoetry(false))
}

func TestContractPoetryAsync(t *testing.T) {
	checkOneDigest(t, simtest.Config{Link: netem.Link{Latency: 150 * ms}}, slowPoetry(true))
}

// With jitter and loss, too, the experiment is the same in every run.
func TestContractPoetryWithJitterAndLoss(t *testing.T) {
	link := netem.Link{Latency: 150 * ms, Jitter: netem.Jitter{Deviation: 60 * ms}, Loss: netem.Loss{Random: 0.02}}
	checkOneDigest(t, simtest.Config{Seed: 7, Link: link}, slowPoetry(true))
}

// Poems whose pieces arrive at the same instants arrive in a different order for every
// seed.
func TestSeedsPoetryAsync(t *testing.T) { checkSeeds(t, simtest.Config{}, slowPoetry(true)) }

// The seed also decides which of two simultaneous requests is served first, but that
// alone would not give fifty orders.
func TestSeedsPoetryBlocking(t *testing.T) {
	checkSeeds(t, simtest.Config{Link: netem.Link{Latency: 150 * ms, Jitter: netem.Jitter{Deviation: 60 * ms}}}, slowPoetry(false))
}
