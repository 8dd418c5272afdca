package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// When a recovery begins while segments that the one before has retransmitted are still in
// flight, their arrival is no sign that nothing was lost. On these paths nothing is
// reordered, so no recovery is undone.
func TestARecoveryAfterAnotherIsNotUndone(t *testing.T) {
	const body = 15_000_000
	recoveries := 0
	for seed := range uint64(12) {
		link := netem.Link{Latency: 100 * time.Millisecond, Rate: 10 * netem.Mbps, Loss: netem.Loss{Random: 0.01}}
		back := netem.Link{Latency: 100 * time.Millisecond}
		p := newPath(netem.TCP{}, netem.NewPacketFlow(link, seed), netem.NewPacketFlow(back, 0))
		sender := p.ends[0].end
		p.write(0, body)
		for p.ends[1].arrived < body {
			wasRecovering, end := sender.IsRecovering(), sender.RecoveryEnd()
			require.True(t, p.step())
			if wasRecovering && (!sender.IsRecovering() || sender.RecoveryEnd() != end) && !sender.IsInLoss() {
				recoveries++
				require.False(t, sender.IsUndone(), "seed %d, at %v", seed, p.now)
				require.GreaterOrEqual(t, body-sender.Unacked(), end, "seed %d, at %v", seed, p.now)
			}
		}
		require.EqualValues(t, body, p.ends[1].arrived)
	}
	assert.Greater(t, recoveries, 100)
}

// A sendingEnd is an end that sends to a peer whose acknowledgements a test makes up. The
// round trip is 100 ms.
type sendingEnd struct {
	*netem.End
	t       *testing.T
	now     time.Duration
	highest int64   // next byte to be sent for the first time
	resent  []int64 // numbers of the segments that were retransmitted
}

const (
	peerWindow    = 1 << 20
	peerRoundTrip = 100 * time.Millisecond
)

// newSendingEnd returns an end that has sent its first window, of ten segments, at 100 ms.
func newSendingEnd(t *testing.T) *sendingEnd {
	e := newSendingEndOf(t, 100)
	require.EqualValues(t, 10*netem.MSS, e.highest)
	return e
}

// newSendingEndOf returns an end with n segments to send.
func newSendingEndOf(t *testing.T, n int) *sendingEnd {
	e := &sendingEnd{End: netem.Dial(netem.TCP{}, 0), t: t}
	e.output()
	e.now = peerRoundTrip
	e.Input(e.now, &netem.Segment{Flags: netem.SYN | netem.ACK, Window: peerWindow})
	e.Write(e.now, n*netem.MSS)
	e.output()
	return e
}

func (e *sendingEnd) output() {
	for s, ok := e.Output(e.now); ok; s, ok = e.Output(e.now) {
		if s.Len > 0 && s.Seq < e.highest {
			e.resent = append(e.resent, s.Seq/netem.MSS)
		}
		e.highest = max(e.highest, s.Seq+int64(s.Len))
	}
}

// acknowledge makes an acknowledgement arrive. All sequence numbers are those of segments.
func (e *sendingEnd) acknowledge(ms time.Duration, ack int64, blocks ...netem.Block) {
	e.now = ms * time.Millisecond
	require.Less(e.t, e.now, e.Next(), "no timer has expired")
	s := netem.Segment{Flags: netem.ACK, Ack: ack * netem.MSS, Window: peerWindow, TSEcr: e.now - peerRoundTrip, SACKs: len(blocks)}
	for i, b := range blocks {
		s.SACK[i] = netem.Block{Start: b.Start * netem.MSS, End: b.End * netem.MSS}
	}
	e.Input(e.now, &s)
	e.output()
}

// acknowledgeAll makes an acknowledgement of everything that was sent arrive.
func (e *sendingEnd) acknowledgeAll(ms time.Duration) { e.acknowledge(ms, e.highest/netem.MSS) }

// window returns the size of the congestion window in segments.
func (e *sendingEnd) window() int { return e.CongestionWindow() / netem.MSS }

// expire makes the next timer expire.
func (e *sendingEnd) expire() {
	e.now = e.Next()
	e.Expire(e.now)
	e.output()
}

// timeOut makes timers expire until the retransmission timer has.
func (e *sendingEnd) timeOut() {
	for !e.IsInLoss() {
		e.expire()
	}
}

// stays makes an acknowledgement arrive that does not end the recovery.
func (e *sendingEnd) stays(ms time.Duration, ack int64, blocks ...netem.Block) {
	require.True(e.t, e.IsRecovering())
	end := e.RecoveryEnd()
	e.acknowledge(ms, ack, blocks...)
	require.True(e.t, e.IsRecovering())
	require.Equal(e.t, end, e.RecoveryEnd())
}

type block = netem.Block

// A recovery is undone when all of its retransmissions are reported as duplicates: nothing
// was lost. The reports may come after its end.
func TestARecoveryIsUndoneByDuplicates(t *testing.T) {
	end := newSendingEnd(t)
	end.acknowledge(200, 0, block{2, 3})
	require.Empty(t, end.resent)
	end.acknowledge(201, 0, block{2, 10}) // until segment 11 is acknowledged
	require.Equal(t, []int64{0, 1}, end.resent)
	end.acknowledge(300, 0, block{2, 11})
	require.True(t, end.IsRecovering())
	end.acknowledge(301, 11, block{0, 1})
	require.False(t, end.IsRecovering())
	require.False(t, end.IsUndone())
	require.Equal(t, 7, end.window())
	end.acknowledge(302, 11, block{1, 2})
	require.True(t, end.IsUndone())
	require.Equal(t, 10, end.window())
}

// The report of a duplicate counts even if a later acknowledgement overtakes it. If a segment
// is lost, another recovery begins.
func TestAnOvertakenAcknowledgementReportsADuplicate(t *testing.T) {
	end := newSendingEnd(t)
	end.acknowledge(201, 0, block{1, 10})
	end.acknowledge(302, 12)
	require.False(t, end.IsUndone())
	end.acknowledge(303, 11, block{0, 1})
	require.True(t, end.IsUndone())

	for _, ack := range []int64{4, 5} {
		end := newSendingEnd(t)
		end.acknowledge(200, 0, block{1, 5}, block{6, 10})
		end.acknowledge(300, 5, block{6, 10})
		end.acknowledge(301, 5, block{0, 1}, block{6, 10})
		first := end.RecoveryEnd()
		end.acknowledge(302, ack, block{1, 2}, block{6, 10})
		require.True(t, end.IsRecovering())
		require.Greater(t, end.RecoveryEnd(), first)
	}
}

// Retransmissions that a timeout considers lost do not have to be reported as duplicates.
func TestDuplicatesAfterTimeouts(t *testing.T) {
	e := newSendingEndOf(t, 3)
	e.timeOut()
	e.acknowledge(e.now/time.Millisecond+100, 1)
	require.Equal(t, []int64{2, 0, 1, 2}, e.resent)
	e.expire()
	require.Equal(t, []int64{2, 0, 1, 2, 1}, e.resent)
	at := e.now / time.Millisecond
	e.acknowledge(at+8, 3)
	require.False(t, e.IsUndone())
	e.acknowledge(at+101, 3, block{1, 2})
	require.True(t, e.IsUndone())
}

// A loss probe that repairs a loss reduces the window, too. An earlier reduction is then
// undone up to the window before that one.
func TestDuplicatesAfterALossProbe(t *testing.T) {
	e := newSendingEndOf(t, 17)
	e.acknowledge(201, 0, block{1, 10})
	e.acknowledgeAll(302)
	e.acknowledgeAll(403)
	e.Write(e.now, 7*netem.MSS)
	e.output()
	for n := len(e.resent); len(e.resent) == n; {
		e.expire()
	}
	before := e.window()
	require.Equal(t, 8, before)
	e.Write(e.now, 3*netem.MSS)
	e.output()
	at := e.now / time.Millisecond
	e.acknowledgeAll(at + 100)
	require.Less(t, e.window(), before)
	e.acknowledge(at+101, e.highest/netem.MSS, block{0, 1})
	require.True(t, e.IsUndone())
	require.Equal(t, before, e.window())
}

// Duplicates that can't be of a retransmission since the reduction undo nothing, neither
// during the recovery nor after it. Those of any segment that was outstanding then count once
// the segment is acknowledged, as in Linux.
func TestDuplicatesOfTheNetworkUndoNothing(t *testing.T) {
	for name, test := range map[string]func(e *sendingEnd){
		"of a segment from before the recovery": func(e *sendingEnd) {
			e.acknowledge(200, 5)
			e.acknowledge(201, 5, block{6, 10}) // 5 is lost
			e.acknowledgeAll(301)
			e.acknowledge(302, 10, block{4, 5})
		},
		"of a retransmission from before the recovery": func(e *sendingEnd) {
			e.acknowledge(200, 0, block{1, 10})
			e.acknowledge(210, 10) // 0 was late
			require.True(e.t, e.IsUndone())
			e.acknowledge(299, 10, block{11, 15}) // 10 is lost
			e.acknowledgeAll(401)
			e.acknowledge(402, 16, block{0, 1})
		},
		"of a segment that was sent once": func(e *sendingEnd) {
			e.acknowledge(200, 0, block{1, 10}) // 0 is lost
			e.stays(201, 0, block{7, 8}, block{1, 10})
			e.acknowledge(301, 11)
			e.acknowledge(302, 11, block{13, 14}, block{13, 15})
		},
		"more than retransmissions": func(e *sendingEnd) {
			e.acknowledge(200, 3, block{1, 2})
			e.acknowledge(201, 3, block{4, 10}) // 3 is lost
			e.acknowledgeAll(301)
			e.acknowledge(302, 10, block{3, 4}) // may be the network's, too
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newSendingEnd(t)
			test(e)
			assert.False(t, e.IsRecovering())
			assert.False(t, e.IsUndone())
		})
	}
}

// A recovery that begins while two retransmissions of the one before are in flight is
// undone when both are reported as duplicates. If it has retransmitted a third segment,
// that one has to be a duplicate too.
func TestDuplicatesOfEarlierRetransmissions(t *testing.T) {
	for _, isThirdResent := range []bool{false, true} {
		end := newSendingEnd(t)
		end.acknowledge(200, 0, block{1, 10}) // the first recovery: until segment 10 is acknowledged
		end.acknowledge(301, 0, block{12, 14}, block{1, 10})
		resent := []int64{0, 0, 10, 11}
		require.Equal(t, resent, end.resent)
		var above []block // of 14
		if isThirdResent {
			above = []block{{15, 16}}
			resent = append(resent, 14)
		}
		end.acknowledge(302, 10, append(above, block{12, 14})...) // the second recovery begins
		require.Equal(t, resent, end.resent)

		end.acknowledge(303, 14, above...) // 10 and 11 were late
		require.True(t, end.IsRecovering())
		if isThirdResent {
			above = []block{{15, 17}}
		}
		end.acknowledge(401, 14, append([]block{{10, 11}}, above...)...)
		require.False(t, end.IsUndone())
		end.acknowledge(402, 14, append([]block{{11, 12}}, above...)...)
		require.Equal(t, isThirdResent, !end.IsUndone())
		if isThirdResent {
			end.acknowledge(403, 17)
			require.False(t, end.IsUndone())
			end.acknowledge(404, 17, block{14, 15})
			require.True(t, end.IsUndone())
		}
		require.Equal(t, resent, end.resent)
		require.False(t, end.IsRecovering())
	}
}

// A loss probe that is in flight when a recovery begins counts as a retransmission.
func TestADuplicateOfALossProbe(t *testing.T) {
	e := newSendingEndOf(t, 10)
	e.expire()
	require.Equal(t, []int64{9}, e.resent)
	e.acknowledge(310, 0, block{1, 10})
	require.Equal(t, []int64{9, 0}, e.resent)
	e.acknowledge(411, 10)
	e.acknowledge(412, 10, block{9, 10})
	require.False(t, e.IsUndone(), "0 was lost, as far as is known")
	e.acknowledge(413, 10, block{0, 1})
	require.True(t, e.IsUndone(), "it was late")
}

// An acknowledgement of a late segment is no sign that others were late. While their
// retransmissions are in flight, the recovery goes on, and nothing else is retransmitted
// before the next acknowledgement or the timeout.
func TestALateSegmentAmongLostOnes(t *testing.T) {
	e := newSendingEnd(t)
	e.acknowledge(200, 0, block{1, 5}, block{6, 10})
	require.Equal(t, []int64{0, 5}, e.resent)
	e.stays(205, 5, block{6, 10})
	e.acknowledge(300, 10)
	assert.False(t, e.IsUndone())
	assert.False(t, e.IsRecovering())
	e.acknowledge(301, 10, block{11, 14})
	assert.Equal(t, []int64{0, 5}, e.resent, "segments may be reordered: 10 is given time")

	for _, isAcknowledged := range []bool{true, false} {
		e := newSendingEnd(t)
		e.acknowledge(200, 0, block{7, 10})
		require.Equal(t, []int64{0, 1, 2}, e.resent, "of seven, as the window allows")
		sent := e.highest
		e.stays(205, 1, block{7, 10})
		require.Equal(t, []int64{0, 1, 2}, e.resent)
		assert.Greater(t, e.highest, sent)
		if isAcknowledged {
			e.stays(301, 2, block{7, 10})
			assert.Equal(t, []int64{0, 1, 2, 3}, e.resent[:4])
		} else {
			e.expire()
			assert.True(t, e.IsInLoss())
			assert.Equal(t, []int64{0, 1, 2, 1}, e.resent)
		}
	}
}

// If all retransmissions in flight were those of late segments, the recovery is undone before
// its end, and the other segments are late, too.
func TestLateSegmentsUndoARecovery(t *testing.T) {
	e := newSendingEnd(t)
	e.acknowledge(200, 0, block{7, 10})
	require.Equal(t, []int64{0, 1, 2}, e.resent)
	e.acknowledge(205, 3, block{7, 10})
	assert.True(t, e.IsUndone())
	assert.Equal(t, 13, e.window(), "10, and one for each segment")
	e.acknowledge(206, 10)
	assert.Equal(t, []int64{0, 1, 2}, e.resent)
	e.acknowledge(301, 11, block{0, 1})
	assert.Equal(t, 13+4+2, e.window(), "a duplicate has arrived, too")
}

// A timeout is undone by a late segment, and the others are late, too.
func TestALateSegmentUndoesATimeout(t *testing.T) {
	e := newSendingEnd(t)
	e.timeOut()
	at := e.now / time.Millisecond
	e.acknowledge(at+5, 1)
	assert.True(t, e.IsUndone())
	assert.Equal(t, 11, e.window())
	e.acknowledge(at+6, 10)
	assert.Equal(t, []int64{0}, e.resent)
}

// The acknowledgement of a segment that was sent between the retransmissions of two
// recoveries undoes the second.
func TestALateSegmentAfterAnotherRecovery(t *testing.T) {
	e := newSendingEnd(t)
	e.acknowledge(201, 0, block{1, 10})
	e.acknowledge(302, 10, block{11, 14}) // the next recovery begins
	require.Equal(t, []int64{0, 10}, e.resent)
	e.acknowledgeAll(310) // an answer to a segment sent at 210 ms
	assert.True(t, e.IsUndone())
}

// Duplicates count as arrived segments when the window is reduced.
func TestADuplicateMakesRoomInARecovery(t *testing.T) {
	for _, isDuplicate := range []bool{false, true} {
		e := newSendingEnd(t)
		e.acknowledge(200, 0, block{7, 10})
		require.Equal(t, []int64{0, 1, 2}, e.resent)
		e.acknowledge(205, 0, block{1, 2}, block{7, 10}) // 1 was late
		require.Equal(t, []int64{0, 1, 2, 3}, e.resent)
		if isDuplicate {
			e.stays(299, 0, block{1, 2}, block{1, 2}, block{7, 10})
			assert.Equal(t, []int64{0, 1, 2, 3, 4}, e.resent)
		} else {
			e.stays(299, 0, block{1, 2}, block{7, 10})
			assert.Equal(t, []int64{0, 1, 2, 3}, e.resent)
		}
	}
}

// A timeout during a recovery does not lower the slow start threshold again. Recovery then
// lasts until everything sent before the timeout is acknowledged.
func TestATimeoutDuringARecovery(t *testing.T) {
	e := newSendingEnd(t)
	e.acknowledge(200, 1)
	e.acknowledge(201, 1, block{2, 10})
	require.Equal(t, 7, e.window())
	e.acknowledge(301, 1, block{11, 12}, block{2, 10})
	e.acknowledge(302, 1, block{11, 13}, block{2, 10})
	e.expire() // at 500 ms, when 18 segments were sent
	require.EqualValues(t, 18*netem.MSS, e.highest)
	e.acknowledge(900, 2, block{2, 10})
	e.acknowledge(1001, 10)
	e.acknowledge(1100, 11)
	e.acknowledge(1200, 14)
	require.True(t, e.IsRecovering())
	e.acknowledge(1300, 18)
	require.False(t, e.IsRecovering())
	assert.Equal(t, 7, e.window())
}

// A timeout after progress since the one before lowers the slow start threshold again.
func TestTimeoutsWithProgressBetweenThem(t *testing.T) {
	for _, hasProgress := range []bool{false, true} {
		e := newSendingEnd(t)
		for len(e.resent) == 0 {
			e.expire() // first the probe, of new data
		}
		at := e.now
		if hasProgress {
			e.acknowledge(at/time.Millisecond+100, 1)
		}
		for e.now == at || e.resent[len(e.resent)-1] > 1 {
			e.expire()
		}
		for ack := int64(2); ack < 11; ack++ {
			e.acknowledge(e.now/time.Millisecond+100, ack)
		}
		if hasProgress {
			assert.LessOrEqual(t, e.window(), 5, "beyond a threshold of 2, it grows slowly")
		} else {
			assert.GreaterOrEqual(t, e.window(), 7, "up to a threshold of 7, it grows with each segment")
		}
	}
}

// When a retransmission is lost after a timeout, fast recovery begins.
func TestALostRetransmissionAfterATimeout(t *testing.T) {
	e := newSendingEnd(t)
	e.timeOut()
	at := e.now / time.Millisecond
	e.acknowledge(at+100, 1)
	require.Equal(t, []int64{0, 1, 2}, e.resent)
	e.acknowledge(at+200, 1, block{2, 3}) // 1 is lost again
	assert.True(t, e.IsRecovering())
	assert.False(t, e.IsInLoss())
	assert.Equal(t, []int64{0, 1, 2, 1}, e.resent)

	e = newSendingEnd(t)
	e.reorder()
	e.timeOut()
	at = e.now / time.Millisecond
	e.acknowledge(at+100, 11)
	e.acknowledge(at+200, 11, block{12, 13}) // 11 is given time
	assert.True(t, e.IsInLoss())
	e.expire()
	assert.False(t, e.IsInLoss())
	assert.Equal(t, []int64{10, 11, 12, 13, 11}, e.resent)
}

// When recovery from a timeout ends, the window has grown from one segment.
func TestTheWindowAfterATimeout(t *testing.T) {
	e := newSendingEndOf(t, 4)
	e.timeOut()
	e.acknowledge(e.now/time.Millisecond+100, 4)
	assert.False(t, e.IsRecovering())
	assert.Equal(t, 5, e.window())
}
