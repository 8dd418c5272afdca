package databases_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

const ms = time.Millisecond

// proxied returns a proxy for a server.
func proxied(t *testing.T, upstream string) *proxy.Proxy {
	t.Helper()
	server := &proxy.Server{Seed: 1}
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	p, err := server.Add(proxy.Config{Name: "db", Listen: "127.0.0.1:0", Upstream: upstream})
	require.NoError(t, err)
	return p
}

// partition lets nothing pass until the returned function is called.
func partition(t *testing.T, p *proxy.Proxy) (end func()) {
	t.Helper()
	for _, stream := range []proxy.Stream{proxy.Upstream, proxy.Downstream} {
		_, err := p.AddToxic(proxy.Toxic{Name: "partition_" + stream.String(), Stream: stream, Toxicity: 1, Attributes: proxy.Bandwidth{}})
		require.NoError(t, err)
	}
	return func() {
		for _, stream := range []proxy.Stream{proxy.Upstream, proxy.Downstream} {
			require.NoError(t, p.RemoveToxic("partition_"+stream.String()))
		}
	}
}

// slowed measures an operation on existing connections: unimpaired, with a latency
// toxic in one direction, over a link with latency in both directions, and unimpaired
// again.
func slowed(t *testing.T, p *proxy.Proxy, something func()) {
	t.Helper()
	took := func() time.Duration {
		start := time.Now()
		something()
		return time.Since(start)
	}
	something()
	for _, c := range []struct {
		attributes proxy.Attributes
		stream     proxy.Stream
		least      time.Duration
	}{
		{proxy.Latency{Latency: 200 * ms}, proxy.Downstream, 200 * ms},
		{proxy.Link{Link: netem.Link{Latency: 150 * ms}}, proxy.Both, 300 * ms},
	} {
		_, err := p.AddToxic(proxy.Toxic{Name: "slow", Stream: c.stream, Toxicity: 1, Attributes: c.attributes})
		require.NoError(t, err)
		for range 2 {
			is := took()
			assert.GreaterOrEqual(t, is, c.least)
			assert.Less(t, is, c.least+2*time.Second)
		}
		require.NoError(t, p.RemoveToxic("slow"))
		something()
		assert.Eventually(t, func() bool { return took() < c.least }, 5*time.Second, ms)
	}
}
