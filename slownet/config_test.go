package slownet

import (
	"math"
	"net"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
)

// An invalid TCP panics wherever a configuration is given.
func TestInvalidTCPPanics(t *testing.T) {
	config := Config{TCP: netem.TCP{Window: -1}}
	want := config.TCP.Validate().Error()
	assert.PanicsWithValue(t, want, func() { NewConn(nil, config) })
	assert.PanicsWithValue(t, want, func() { NewListener(nil, config) })
	assert.PanicsWithValue(t, want, func() { NewPath(config) })
	assert.PanicsWithValue(t, want, func() { NewPacketConn(nil, config) })
	assert.PanicsWithValue(t, want, func() { _, _ = (&Dialer{Config: config}).DialContext(t.Context(), "tcp", "") })
}

// An invalid link is a bug of the program: wherever one is given, it panics.
func TestInvalidLinksPanic(t *testing.T) {
	for _, link := range []netem.Link{
		{Latency: -time.Second},
		{Rate: -1},
		{Queue: netem.Queue{Bytes: -1}},
		{Jitter: netem.Jitter{Deviation: -1}},
		{Loss: netem.Loss{Random: math.NaN()}},
		{Reorder: netem.Chance{Probability: 2}},
	} {
		want := link.Validate().Error()
		inner, far := net.Pipe()
		conn, packets, listener := NewConn(inner, Config{}), NewPacketConn(nil, Config{}), NewListener(nil, Config{})
		for _, config := range []Config{{Read: link}, {Write: link}} {
			assert.PanicsWithValue(t, want, func() { NewConn(nil, config) })
			assert.PanicsWithValue(t, want, func() { NewListener(nil, config) })
			assert.PanicsWithValue(t, want, func() { NewPacketConn(nil, config) })
			assert.PanicsWithValue(t, want, func() { _, _ = (&Dialer{Config: config}).DialContext(t.Context(), "tcp", "") })
			assert.PanicsWithValue(t, want, func() { conn.SetLinks(config.Read, config.Write) })
			assert.PanicsWithValue(t, want, func() { packets.SetLinks(config.Read, config.Write) })
			assert.PanicsWithValue(t, want, func() { listener.SetLinks(config.Read, config.Write) })
		}
		assert.NoError(t, conn.Close())
		assert.NoError(t, far.Close())
	}
}
