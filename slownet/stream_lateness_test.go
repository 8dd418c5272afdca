package slownet

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A lateClock fires its timers late. Stopped timers fire nevertheless, like one
// that is already firing.
type lateClock struct {
	clock.Clock
	late time.Duration
}

func (c lateClock) Timer(d time.Duration) *clock.Timer { return c.Clock.Timer(d + c.late) }

func (c lateClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	time.AfterFunc(d, f)
	return c.Clock.AfterFunc(d, func() {})
}

// Timers that fire a little late do not slow a pace down; the sleep of a
// machine is not compensated for.
func TestLateTimers(t *testing.T) {
	for late, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond:  9*100*time.Millisecond + 10*time.Millisecond,
		200 * time.Millisecond: 9 * 300 * time.Millisecond,
	} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				go func() { _, _ = io.Copy(io.Discard, far) }()
				conn := NewConn(near, Config{
					Clock: lateClock{clock.New(), late},
					Write: netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * time.Millisecond}},
				})
				start := time.Now()
				_, err := conn.Write(make([]byte, 100))
				require.NoError(t, err)
				assert.Equal(t, want, time.Since(start), "when the tenth piece was sent")
				require.NoError(t, conn.Close())
			})
		})
	}
}

// The timer of a deadline that was moved is ignored when it fires nevertheless.
func TestTimerOfAMovedDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		conn := NewConn(near, Config{Clock: lateClock{Clock: clock.New()}})
		start := time.Now()
		require.NoError(t, conn.SetReadDeadline(start.Add(time.Second)))
		require.NoError(t, conn.SetReadDeadline(start.Add(time.Hour)))
		_, err := conn.Read(make([]byte, 1))
		assert.Error(t, err)
		assert.Equal(t, time.Hour, time.Since(start))
		require.NoError(t, conn.Close())
	})
}

// A writer of an ideal stream that comes back at once after timers that fired
// late still gets the full rate.
func TestRateWithLateTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := netem.Link{Rate: 16 * netem.Kbps} // 5 ms a write
		conn := NewConn(newSink(), ideal(Config{Write: link, Clock: lateClock{clock.New(), 10 * ms}}))
		var returned []time.Duration
		for range 10 {
			_, err := conn.Write(make([]byte, 10))
			require.NoError(t, err)
			returned = append(returned, time.Since(bubbleStart))
		}
		assert.Equal(t, []time.Duration{0, 15 * ms, 15 * ms, 15 * ms, 30 * ms, 30 * ms, 30 * ms, 45 * ms, 45 * ms, 45 * ms}, returned)
		require.NoError(t, shut(conn))
	})
}

// A timer that fired late does not speed up bytes that are written later.
func TestWriteLongAfterALateTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newSink()
		link := netem.Link{Rate: 16 * netem.Kbps, Latency: 100 * ms} // 5 ms a write
		conn := NewConn(inner, ideal(Config{Write: link, Clock: lateClock{clock.New(), 10 * ms}}))
		for range 2 {
			_, err := conn.Write(make([]byte, 10))
			require.NoError(t, err)
		}
		time.Sleep(time.Hour - time.Since(bubbleStart))
		_, err := conn.Write(make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, conn.Drain(t.Context()))
		arrivals, _ := inner.got()
		require.NotEmpty(t, arrivals)
		assert.Equal(t, arrival{10, time.Hour + 105*ms + 10*ms}, arrivals[len(arrivals)-1])
		require.NoError(t, shut(conn))
	})
}

// A reader of an ideal stream that reads late, and then waits for an answer, gets the
// answer after the whole latency. Neither the reader's delay nor the sleep of the machine
// is compensated for.
func TestLatencyAfterALateRead(t *testing.T) {
	for name, test := range map[string]struct {
		link       netem.Link
		away, late time.Duration
	}{
		"the reader was away":            {netem.Link{Latency: 10 * ms}, 50 * ms, 0},
		"the reader was away for longer": {netem.Link{Latency: 10 * ms}, time.Hour, 0},
		"the machine was asleep":         {netem.Link{Latency: 10 * ms, Pace: netem.Pace{Bytes: 4, Wait: time.Second}}, 0, 1040 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, ideal(Config{Read: test.link, Clock: lateClock{clock.New(), test.late}}), func(t *testing.T, conn *Conn, far net.Conn) {
				go func() { _, _ = far.Write([]byte("word")) }()
				buffer := make([]byte, 2)
				_, err := io.ReadFull(conn, buffer)
				require.NoError(t, err)
				time.Sleep(test.away)
				_, err = io.ReadFull(conn, buffer)
				require.NoError(t, err)
				start := time.Now()
				go func() { _, _ = far.Write([]byte("an answer")) }()
				_, err = conn.Read(buffer)
				require.NoError(t, err)
				assert.Equal(t, 10*ms+test.late, time.Since(start))
			})
		})
	}
}
