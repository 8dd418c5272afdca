package slownet

import (
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
)

// An invalid TCP panics wherever a configuration is given.
func TestInvalidTCPPanics(t *testing.T) {
	config := Config{TCP: netem.TCP{Window: -1}}
	want := func(call string) string {
		return "slownet: " + call + ": Config.TCP: " + strings.TrimPrefix(config.TCP.Validate().Error(), "netem: ")
	}
	assert.PanicsWithValue(t, want("NewConn"), func() { NewConn(nil, config) })
	assert.PanicsWithValue(t, want("NewListener"), func() { NewListener(nil, config) })
	assert.PanicsWithValue(t, want("NewPath"), func() { NewPath(config) })
	assert.PanicsWithValue(t, want("NewPacketConn"), func() { NewPacketConn(nil, config) })
	assert.PanicsWithValue(t, want("Dialer.DialContext"), func() { _, _ = (&Dialer{Config: config}).DialContext(t.Context(), "tcp", "") })
}

// An invalid link is a bug of the program, so every function that takes one panics.
func TestInvalidLinksPanic(t *testing.T) {
	for _, link := range []netem.Link{
		{Latency: -time.Second},
		{Rate: -1},
		{Queue: netem.Queue{Bytes: -1}},
		{Jitter: netem.Jitter{Deviation: -1}},
		{Loss: netem.Loss{Random: math.NaN()}},
		{Reorder: netem.Chance{Probability: 2}},
	} {
		inner, far := net.Pipe()
		socket, _ := memoryPair()
		conn, packets, listener := NewConn(inner, Config{}), NewPacketConn(socket, Config{}), NewListener(pipeListener{}, Config{})
		path := NewPath(Config{})
		for field, config := range map[string]Config{"Read": {Read: link}, "Write": {Write: link}} {
			reason := strings.TrimPrefix(link.Validate().Error(), "netem: ")
			given := func(call string) string { return "slownet: " + call + ": Config." + field + ": " + reason }
			set := func(of string) string {
				return "slownet: " + of + ".SetLinks: " + strings.ToLower(field) + ": " + reason
			}
			assert.PanicsWithValue(t, given("NewConn"), func() { NewConn(nil, config) })
			assert.PanicsWithValue(t, given("NewListener"), func() { NewListener(nil, config) })
			assert.PanicsWithValue(t, given("NewPacketConn"), func() { NewPacketConn(nil, config) })
			assert.PanicsWithValue(t, given("NewPath"), func() { NewPath(config) })
			assert.PanicsWithValue(t, given("Dialer.DialContext"), func() { _, _ = (&Dialer{Config: config}).DialContext(t.Context(), "tcp", "") })
			assert.PanicsWithValue(t, set("Conn"), func() { conn.SetLinks(config.Read, config.Write) })
			assert.PanicsWithValue(t, set("PacketConn"), func() { packets.SetLinks(config.Read, config.Write) })
			assert.PanicsWithValue(t, set("Listener"), func() { listener.SetLinks(config.Read, config.Write) })
			assert.PanicsWithValue(t, set("Path"), func() { path.SetLinks(config.Read, config.Write) })
		}
		assert.NoError(t, conn.Close())
		assert.NoError(t, far.Close())
	}
}

// Wrapping nil panics at once, and not at the first call.
func TestNilPanics(t *testing.T) {
	path := NewPath(Config{})
	for call, wrap := range map[string]func(){
		"NewConn":         func() { NewConn(nil, Config{}) },
		"NewListener":     func() { NewListener(nil, Config{}) },
		"NewPacketConn":   func() { NewPacketConn(nil, Config{}) },
		"Path.Conn":       func() { path.Conn(nil) },
		"Path.Listener":   func() { path.Listener(nil) },
		"Path.PacketConn": func() { path.PacketConn(nil) },
	} {
		assert.PanicsWithValue(t, "slownet: "+call+": there is nothing to wrap: inner is nil", wrap)
	}
}

// Connections on a path share its links, so PerConn makes no sense there.
func TestPathPerConnPanics(t *testing.T) {
	assert.PanicsWithValue(t, "slownet: NewPath: Config.PerConn is set: connections on a path share its links; "+
		"for connections with links of their own, use a Dialer or a Listener without a Path", func() { NewPath(Config{PerConn: true}) })
}

// The time of a lookup cannot be negative.
func TestNegativeLookupPanics(t *testing.T) {
	assert.PanicsWithValue(t, `slownet: NewDialer: profile: Lookup is -1s: it must be 0 (none) or more`, func() {
		NewDialer(netem.Profile{Lookup: -time.Second})
	})
	assert.PanicsWithValue(t, "slownet: Dialer.DialContext: Lookup is -1s: it must be 0 (no extra time) or more", func() {
		_, _ = (&Dialer{Lookup: -time.Second}).DialContext(t.Context(), "tcp", "127.0.0.1:1")
	})
}
