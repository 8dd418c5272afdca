package netem_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// dialing starts a connection over a path of 50 ms each way.
func dialing(tcp netem.TCP) *path {
	link := netem.Link{Latency: oneWay}
	return dial(tcp, netem.NewPacketFlow(link, 1), netem.NewPacketFlow(link, 2))
}

// times returns the times at which an end sent segments with the given control
// bits.
func (s *side) times(flags netem.Flags) (times []time.Duration) {
	for _, sent := range s.sent {
		if sent.segment.Flags == flags {
			times = append(times, sent.at)
		}
	}
	return times
}

// quiet runs the path until no event is left.
func (p *path) quiet(t *testing.T) {
	t.Helper()
	for steps := 0; p.step(); steps++ {
		require.Less(t, steps, 100_000, "never quiet")
	}
}

// states returns the states of both ends.
func (p *path) states() [2]netem.State {
	return [2]netem.State{p.ends[0].end.State(), p.ends[1].end.State()}
}

func seconds(numbers ...float64) (times []time.Duration) {
	for _, n := range numbers {
		times = append(times, time.Duration(n*float64(time.Second)))
	}
	return times
}

func TestHandshake(t *testing.T) {
	p := dialing(netem.TCP{})
	for p.ends[0].end.State() != netem.Established {
		require.True(t, p.step())
	}
	assert.Equal(t, 2*oneWay, p.now)
	assert.Equal(t, netem.SynReceived, p.ends[1].end.State())
	p.quiet(t)
	assert.Equal(t, 3*oneWay, p.now)
	assert.Equal(t, [2]netem.State{netem.Established, netem.Established}, p.states())
}

// An unanswered SYN is retransmitted as on Linux, except that Linux's timers
// fire up to an eighth late: it sends the last three at 19.5, 35.6 and 69.6 s,
// and gives up at 135 s.
func TestSynIsSentAgain(t *testing.T) {
	p := dialing(netem.TCP{})
	p.ends[0].link = netem.NewPacketFlow(netem.Link{Loss: netem.Loss{Random: 1}}, 1)
	p.ends[0].sent, p.flying = p.ends[0].sent[:1], nil
	p.quiet(t)
	assert.Equal(t, seconds(0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67), p.ends[0].times(netem.SYN))
	assert.Equal(t, 131*time.Second, p.now)
	assert.Equal(t, netem.TimedOut, p.ends[0].end.Failure())
	assert.Equal(t, netem.Closed, p.ends[0].end.State())
}

// A lost SYN-ACK is retransmitted when its own timer expires, and when another
// SYN arrives.
func TestSynAckIsLost(t *testing.T) {
	p := dialing(netem.TCP{})
	lost := 0
	p.ends[1].link = netem.NewPacketFlow(netem.Link{Latency: oneWay}, 2)
	p.ends[1].lose = func(s *netem.Segment) bool {
		lost++
		return lost <= 2
	}
	for p.ends[0].end.State() != netem.Established {
		require.True(t, p.step())
	}
	assert.Equal(t, time.Second+2*oneWay, p.now)
}

func TestRefused(t *testing.T) {
	p := dialing(netem.TCP{})
	p.refuses = true
	p.quiet(t)
	assert.Equal(t, 2*oneWay, p.now)
	assert.Equal(t, netem.Refused, p.ends[0].end.Failure())
}

// A reset that answers a SYN does not end the connection if another SYN has
// opened it in the meantime.
func TestLateRefusal(t *testing.T) {
	syn := netem.Segment{Flags: netem.SYN}
	refusal := netem.Refuse(&syn)
	e := netem.NewEnd(netem.TCP{}, 0, time.Millisecond)
	e.Input(time.Millisecond, &refusal)
	assert.Equal(t, netem.Established, e.State())
	data := netem.Segment{Flags: netem.ACK, Len: 1}
	refusal = netem.Refuse(&data)
	e.Input(time.Millisecond, &refusal)
	assert.Equal(t, netem.Closed, e.State())
}

// The end that closes first waits a minute in TIME-WAIT.
func TestClose(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.write(0, 5000)
	p.closeWrite(0)
	assert.Equal(t, netem.FinWait1, p.ends[0].end.State())
	for !p.ends[1].end.Ended() {
		require.True(t, p.step())
	}
	assert.EqualValues(t, 5000, p.ends[1].arrived)
	assert.Equal(t, netem.CloseWait, p.ends[1].end.State())
	p.quiet(t)
	assert.Equal(t, [2]netem.State{netem.FinWait2, netem.CloseWait}, p.states())

	p.write(1, 3000) // this direction is still open
	p.closeWrite(1)
	assert.Equal(t, netem.LastAck, p.ends[1].end.State())
	for p.ends[0].end.State() != netem.TimeWait {
		require.True(t, p.step())
	}
	assert.EqualValues(t, 3000, p.ends[0].arrived)
	start := p.now
	p.quiet(t)
	assert.Equal(t, start+time.Minute, p.now)
	assert.Equal(t, [2]netem.State{}, p.states())
	assert.Equal(t, netem.NotFailed, p.ends[0].end.Failure())
}

func TestBothCloseAtOnce(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.quiet(t)
	p.closeWrite(0)
	p.closeWrite(1)
	p.step()
	p.step()
	assert.Equal(t, [2]netem.State{netem.Closing, netem.Closing}, p.states())
	p.step()
	p.step()
	assert.Equal(t, [2]netem.State{netem.TimeWait, netem.TimeWait}, p.states())
}

// A lost FIN is retransmitted like any segment.
func TestLostFin(t *testing.T) {
	p := pathOf(netem.TCP{})
	lost := false
	p.ends[0].lose = func(s *netem.Segment) bool {
		if s.Flags&netem.FIN != 0 && !lost {
			lost = true
			return true
		}
		return false
	}
	start := p.now
	p.closeWrite(0)
	for !p.ends[1].end.Ended() {
		require.True(t, p.step())
	}
	assert.Equal(t, start+300*time.Millisecond+oneWay, p.now)
}

func TestAbort(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.quiet(t)
	p.ends[0].end.Abort()
	p.send(0)
	p.quiet(t)
	assert.Equal(t, [2]netem.State{}, p.states())
	assert.Equal(t, netem.NotFailed, p.ends[0].end.Failure())
	assert.Equal(t, netem.Reset, p.ends[1].end.Failure())
}

// A writer whose peer is gone gives up as Linux does, which takes 1,007 s on this
// path: it sends a probe after 0.3 s, and then retransmits with a timeout that
// doubles up to 120 s.
func TestWriterGivesUp(t *testing.T) {
	p := pathOf(netem.TCP{})
	p.quiet(t)
	start := p.now
	p.ends[0].lose = func(*netem.Segment) bool { return true }
	p.write(0, 100)
	p.quiet(t)
	assert.Equal(t, 993600*time.Millisecond, p.now-start)
	assert.Equal(t, netem.TimedOut, p.ends[0].end.Failure())
}

// A user timeout counts from the first retransmission, after 600 ms: with one of 10 s, the
// writer gives up after 10.6 s, as Linux does. The retransmission timer never runs longer,
// not even the first time, and not even if the user timeout exceeds Linux's own limit.
func TestUserTimeout(t *testing.T) {
	for _, userTimeout := range []time.Duration{300 * time.Millisecond, 10 * time.Second, 20 * time.Minute} {
		p := pathOf(netem.TCP{UserTimeout: userTimeout})
		p.quiet(t)
		start := p.now
		p.ends[0].lose = func(*netem.Segment) bool { return true }
		p.write(0, 100)
		p.quiet(t)
		assert.Equal(t, 600*time.Millisecond+userTimeout, p.now-start)
		assert.Equal(t, netem.TimedOut, p.ends[0].end.Failure())
	}
}

// A user timeout starts with the first retransmission of the current loss,
// regardless of earlier losses. Until it expires, retransmissions are the same
// as without a user timeout.
func TestUserTimeoutAfterAnEarlierLoss(t *testing.T) {
	sent := func(tcp netem.TCP) (at []time.Duration) {
		p := pathOf(tcp)
		p.losing(0, 0, 1, 3, 4, 5)
		p.write(0, 100)
		p.quiet(t)
		p.now += time.Minute
		p.write(0, 100)
		p.quiet(t)
		require.EqualValues(t, 200, p.ends[1].arrived)
		for _, s := range p.ends[0].sent {
			if s.segment.Len > 0 {
				at = append(at, s.at)
			}
		}
		return at
	}
	at := sent(netem.TCP{})
	assert.Len(t, at, 7)
	assert.Equal(t, at, sent(netem.TCP{UserTimeout: 10 * time.Second}))
}

// An unanswered dial ends after the user timeout, but not before the first
// retransmission of the SYN is due.
func TestUserTimeoutOfADial(t *testing.T) {
	for userTimeout, want := range map[time.Duration]struct {
		after time.Duration
		syns  int
	}{
		0:                      {131 * time.Second, 11},
		time.Hour:              {131 * time.Second, 11},
		10 * time.Second:       {10 * time.Second, 7},
		3 * time.Second:        {3 * time.Second, 3},
		500 * time.Millisecond: {time.Second, 1},
	} {
		const start = time.Minute
		end, now, syns := netem.Dial(netem.TCP{UserTimeout: userTimeout}, start), start, 0
		for {
			for _, ok := end.Output(now); ok; _, ok = end.Output(now) {
				syns++
			}
			if end.State() == netem.Closed {
				break
			}
			now = end.Next()
			end.Expire(now)
		}
		assert.Equal(t, want.after, now-start, userTimeout)
		assert.Equal(t, want.syns, syns, userTimeout)
		assert.Equal(t, netem.TimedOut, end.Failure())
	}
}

// A reader detects by keep-alive probes that its peer is gone: after 15 s and
// nine times 15 s, or with a user timeout after 30 s. Linux takes 150.7 s and
// 29.8 s.
func TestKeepAlive(t *testing.T) {
	for _, test := range []struct {
		userTimeout, want time.Duration
	}{{0, 150 * time.Second}, {10 * time.Second, 30 * time.Second}} {
		p := pathOf(netem.TCP{UserTimeout: test.userTimeout, KeepAlive: netem.KeepAlive{Idle: 15 * time.Second}})
		for p.ends[1].end.State() != netem.Established {
			require.True(t, p.step())
		}
		last := 2 * oneWay // the SYN-ACK
		p.ends[1].end = nil
		p.ends[0].lose = func(*netem.Segment) bool { return true }
		for p.ends[0].end.State() != netem.Closed {
			require.True(t, p.step())
		}
		assert.Equal(t, test.want, p.now-last)
		assert.Equal(t, netem.TimedOut, p.ends[0].end.Failure())
	}
}

// A peer that is alive answers the probes, and the connection stays open.
func TestKeepAliveAnswered(t *testing.T) {
	p := pathOf(netem.TCP{KeepAlive: netem.KeepAlive{Idle: 15 * time.Second}})
	for p.now < time.Hour {
		require.True(t, p.step())
	}
	assert.Equal(t, [2]netem.State{netem.Established, netem.Established}, p.states())
	p.write(0, 10)
	assert.Equal(t, oneWay, p.took(t, 1, 10))
}

func TestNames(t *testing.T) {
	assert.Equal(t, "FIN-WAIT-1", netem.FinWait1.String())
	assert.Equal(t, "State(200)", netem.State(200).String())
	assert.Equal(t, "SYN|ACK", (netem.SYN | netem.ACK).String())
	assert.Equal(t, "timed out", netem.TimedOut.String())
	assert.Equal(t, "Failure(200)", netem.Failure(200).String())
	assert.Equal(t, "Congestion(9)", netem.Congestion(9).String())
}
