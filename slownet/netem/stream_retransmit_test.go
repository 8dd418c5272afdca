package netem

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everyOther loses the first packet, the third, and so on: each packet is lost
// once, and its retransmission passes.
var everyOther = Loss{Markov: Markov{P14: 1}}

// harmless returns a link on which round trips are measured and nothing is
// lost.
func harmless(latency time.Duration) Link {
	return Link{Latency: latency, Duplicate: Chance{Correlation: 0.5}}
}

// The timeout is SRTT + 4 RTTVAR, RFC 6298. The first round trip R makes SRTT
// R and RTTVAR R/2; each further one adds a quarter of |SRTT - R| - RTTVAR to
// RTTVAR, and then an eighth of R - SRTT to SRTT.
func TestRetransmissionTimeout(t *testing.T) {
	scenarios := []struct {
		name       string
		roundTrips []time.Duration
		want       time.Duration
	}{
		{"before the first round trip, a second", nil, time.Second},
		{"100 + 4 x 50 = 300", []time.Duration{100 * ms}, 300 * ms},
		{"RTTVAR 50 + (|100 - 180| - 50)/4 = 57.5, SRTT 100 + 80/8 = 110, 110 + 4 x 57.5 = 340",
			[]time.Duration{100 * ms, 180 * ms}, 340 * ms},
		{"then RTTVAR 57.5 + (|110 - 30| - 57.5)/4 = 63.125, SRTT 110 - 80/8 = 100, 100 + 4 x 63.125 = 352.5",
			[]time.Duration{100 * ms, 180 * ms, 30 * ms}, 352500 * time.Microsecond},
		{"RTTVAR 150, 112.5, 84.375: 300 + 4 x 84.375 = 637.5",
			[]time.Duration{300 * ms, 300 * ms, 300 * ms}, 637500 * time.Microsecond},
		{"10 + 4 x 5 = 30, but at least 200", []time.Duration{10 * ms}, 200 * ms},
		{"81 + 4 x 30.375 = 202.5", []time.Duration{81 * ms, 81 * ms}, 202500 * time.Microsecond},
		{"30 s + 4 x 15 s = 90 s, but at most 60 s", []time.Duration{30 * time.Second}, time.Minute},
	}
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			f := NewFlow(Link{}, 0)
			now := time.Duration(0)
			for _, roundTrip := range scenario.roundTrips {
				f.SetLink(harmless(roundTrip - roundTrip/3)) // a third of the round trip is the return path
				f.SetReturn(roundTrip / 3)
				require.Equal(t, now+roundTrip-roundTrip/3, f.Send(now, 1).Arrive)
				now += roundTrip
			}
			now += time.Hour // nothing is in flight
			f.SetLink(Link{Latency: 7 * ms, Loss: everyOther})
			want := Piece{Bytes: 1, Leave: now, Arrive: now + scenario.want + 7*ms, Sent: 2}
			assert.Equal(t, want, alone(f, now, 1))
		})
	}
}

// The round trip includes the time that the packet takes to pass: 12 ms at
// 1 Mbit/s + 50 ms there + 38 ms back = 100 ms, and 100 + 4 x 50 = 300 ms.
func TestRoundTripIncludesPassing(t *testing.T) {
	link := harmless(50 * ms)
	link.Rate = Mbps
	f := NewFlow(link, 0)
	f.SetReturn(38 * ms)
	f.Send(0, 1500)
	f.SetLink(Link{Loss: everyOther})
	assert.Equal(t, time.Second+300*ms, alone(f, time.Second, 1).Arrive)
}

// A round trip counts once its acknowledgement has arrived, and only one is measured at
// a time: of three packets in flight the first counts, and not before 100 ms have
// passed.
func TestRoundTripsAreMeasuredOneAtATime(t *testing.T) {
	for _, scenario := range []struct {
		name          string
		lost, timeout time.Duration
	}{
		{"a nanosecond early, a second as at first", 100*ms - 1, time.Second},
		{"in time, 100 + 4 x 50 ms", 100 * ms, 300 * ms},
		{"and not changed by the others later", time.Second, 300 * ms},
	} {
		f := NewFlow(harmless(100*ms), 0)
		for i := range 3 {
			f.Send(time.Duration(i)*10*ms, 1)
		}
		f.SetLink(Link{Loss: everyOther})
		require.Equal(t, max(120*ms, scenario.lost+scenario.timeout), alone(f, scenario.lost, 1).Arrive, scenario.name)
	}
}

// Each loss doubles the timeout, up to a minute, and retransmissions do not measure the
// round trip (Karn's algorithm): so the timeout stays doubled until a packet has passed
// at the first attempt and has been acknowledged.
func TestTimeoutBacksOff(t *testing.T) {
	lossy := Link{Latency: 100 * ms, Loss: everyOther}
	f := NewFlow(lossy, 0)
	now := time.Duration(0)
	for _, timeout := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		want := Piece{Bytes: 1, Leave: now, Arrive: now + timeout*time.Second + 100*ms, Sent: 2}
		require.Equal(t, want, alone(f, now, 1))
		now += time.Hour
	}
	f.SetLink(harmless(100 * ms))
	f.Send(now, 1)
	f.SetLink(lossy)
	assert.Equal(t, now+50*ms+time.Minute+100*ms, alone(f, now+50*ms, 1).Arrive, "it is not acknowledged yet")
	now += time.Hour
	assert.Equal(t, now+300*ms+100*ms, alone(f, now, 1).Arrive, "100 + 4 x 50 ms")
	now += time.Hour
	assert.Equal(t, now+600*ms+100*ms, alone(f, now, 1).Arrive, "twice that")
}

// backedOff returns the time for which a packet with the given number of losses waits
// on a new flow: 1 s + 2 s + 4 s and so on, and a minute for each loss from the seventh
// on.
func backedOff(losses int) (waited time.Duration) {
	for i := range losses {
		waited += time.Duration(min(1<<i, 60)) * time.Second
	}
	return waited
}

// A packet that is lost several times waits for all timeouts, and occupies the
// link each time (8 ms for 1,000 bytes at 1 Mbit/s).
func TestLostSeveralTimes(t *testing.T) {
	seen := map[int]bool{}
	for seed := range uint64(1000) {
		for _, link := range []Link{
			{Latency: 30 * ms, Rate: Mbps, Loss: Loss{Random: 0.5}},
			{Latency: 30 * ms, Rate: Mbps, Corrupt: Chance{Probability: 0.5}},
		} {
			f := NewFlow(link, seed)
			piece := alone(f, 0, 1000)
			again := piece.Sent - 1
			seen[again] = true
			passing := time.Duration(again) * 8 * ms
			want := Piece{Bytes: 1000, Leave: 8 * ms, Arrive: 38*ms + backedOff(again) + passing, Sent: piece.Sent}
			if link.Corrupt.Probability > 0 {
				want.Corrupted = again
			}
			require.Equal(t, want, piece)
			require.Equal(t, 8*ms+passing, f.Free())
		}
	}
	for again := range 8 {
		assert.True(t, seen[again], "%d losses", again)
	}
}

// The sender gives up when the packet was lost the sixteenth time and the
// timeout has expired once more: after 1 + 2 + 4 + 8 + 16 + 32 + 10 x 60 = 663
// s, and 15 times the 12 ms that 1,500 bytes take to pass again.
func TestLostSixteenTimes(t *testing.T) {
	for _, link := range []Link{
		{Rate: Mbps, Latency: time.Hour, Loss: Loss{Random: 1}},
		{Rate: Mbps, Latency: time.Hour, Loss: Loss{GilbertElliott: GilbertElliott{P: 1, LossBad: 1}}},
		{Rate: Mbps, Latency: time.Hour, Corrupt: Chance{Probability: 1}, Duplicate: Chance{Probability: 1}},
	} {
		f := NewFlow(link, 0)
		want := Piece{Bytes: 1500, Leave: 12 * ms, Arrive: 12*ms + 663*time.Second + 15*12*ms, Sent: 16, Failed: true}
		if link.Corrupt.Probability > 0 {
			want.Corrupted = 16
		}
		assert.Equal(t, want, alone(f, 0, 1500))
		assert.Equal(t, 16*12*ms, f.Free())
	}
	assert.Equal(t, 663*time.Second, backedOff(16))
}

// The fifteenth loss is not the end: the sixteenth transmission arrives.
func TestLostFifteenTimes(t *testing.T) {
	link := Link{Loss: Loss{Random: 0.9}}
	for seed := range uint64(200) {
		piece := alone(NewFlow(link, seed), 0, 1)
		if piece.Sent < 16 || piece.Failed {
			require.Equal(t, piece.Sent == 16, piece.Failed)
			continue
		}
		require.Equal(t, Piece{Bytes: 1, Arrive: backedOff(15), Sent: 16}, piece)
		return
	}
	t.Fatal("no seed loses a packet fifteen times")
}

// Everything sent after a lost packet waits for it at the receiver: at 1 Mbit/s, 1,500
// bytes leave at 12 ms, are lost, leave again at 24 ms, and arrive at 12 + 1,000 + 12
// ms; so does everything that leaves before that, and the end.
func TestHeadOfLineBlocking(t *testing.T) {
	f := NewFlow(Link{Rate: Mbps, Loss: everyOther}, 0)
	assert.Equal(t, Piece{Bytes: 1500, Leave: 12 * ms, Arrive: 1024 * ms, Sent: 2}, alone(f, 0, 3000))
	f.SetLink(Link{Rate: Mbps})
	assert.Equal(t, once(1500, 36*ms, 1024*ms), f.Send(0, 1500))
	assert.Equal(t, end(36*ms, 1024*ms), f.Send(0, 0))
	assert.Equal(t, once(125, 1023*ms, 1024*ms), f.Send(1022*ms, 125))
	assert.Equal(t, once(125, 1025*ms, 1025*ms), f.Send(1024*ms, 125))
}

// Retransmissions occupy slots of a replay too: 1,500 bytes that are lost at 10
// ms take the slot at 20 ms, and the next bytes the slot at 30 ms.
func TestRetransmissionTakesSlots(t *testing.T) {
	f := NewFlow(Link{Replay: replayOf(10), Loss: everyOther}, 0)
	assert.Equal(t, Piece{Bytes: 1500, Leave: 10 * ms, Arrive: 10*ms + time.Second + 10*ms, Sent: 2}, alone(f, 0, 1500))
	assert.Equal(t, 20*ms, f.Free())
	assert.Equal(t, 30*ms, f.Send(0, 1500).Leave)
}

// Retransmissions of one flow take capacity from others at a bottleneck: 12 ms
// for the packet and 12 ms for its retransmission.
func TestRetransmissionTakesTheBottleneck(t *testing.T) {
	bottleneck := NewBottleneck(Mbps)
	lossy := NewFlow(Link{Bottleneck: bottleneck, Loss: everyOther}, 0)
	other := NewFlow(Link{Bottleneck: bottleneck}, 0)
	assert.Equal(t, 12*ms, lossy.Send(0, 1500).Leave)
	assert.Equal(t, 36*ms, other.Send(0, 1500).Leave)
}
