package slownet

import (
	"net"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
)

// A retransmission is timed by the round trip over both links of a connection.
func TestRoundTripsOfAConnection(t *testing.T) {
	for direction, config := range map[Direction]Config{
		Write: {Write: netem.Link{Latency: 100 * ms}, Read: netem.Link{Latency: 300 * ms}},
		Read:  {Write: netem.Link{Latency: 300 * ms}, Read: netem.Link{Latency: 100 * ms}},
	} {
		inner, _ := net.Pipe()
		conn := NewConn(inner, config)
		flow := &conn.half(direction).flow
		flow.SetLink(netem.Link{Latency: 100 * ms, Duplicate: netem.Chance{Probability: 1e-9}})
		flow.Send(0, 1)
		flow.Send(time.Second, 1)
		// SRTT + 4 RTTVAR = 400 + 4 * 200 ms
		again, _ := flow.Lose(time.Second)
		assert.Equal(t, time.Second+1200*ms, again, direction)
	}
}

// The two directions of a connection draw from different random sequences.
func TestDirectionsDrawDifferentSequences(t *testing.T) {
	inner, _ := net.Pipe()
	socket, _ := memoryPair()
	conn := NewConn(inner, bothWays(netem.Link{Latency: time.Second, Jitter: netem.Jitter{Deviation: time.Second}}))
	packets := NewPacketConn(socket, bothWays(netem.Link{Latency: time.Second, Jitter: netem.Jitter{Deviation: time.Second}}))
	assert.NotEqual(t, nextDelay(&conn.in.flow), nextDelay(&conn.out.flow))
	assert.NotEqual(t, nextPacketDelay(&packets.in.flow), nextPacketDelay(&packets.out.flow))
}

// nextDelay sends a byte after all earlier ones have arrived, and returns its delay.
func nextDelay(f *netem.Flow) time.Duration {
	piece := f.Send(f.Free()+time.Hour, 1)
	f.Hold(piece.Leave)
	return piece.Arrive - piece.Leave
}

// nextPacketDelay does the same with a datagram.
func nextPacketDelay(f *netem.PacketFlow) time.Duration {
	packets, _ := f.Send(f.Free(), 1)
	return packets[0].Arrive - packets[0].Leave
}
