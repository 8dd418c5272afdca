package slownet_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A lateClock's timers fire late, and those that were stopped fire all the
// same, as one does that is under way already.
type lateClock struct {
	clock.Clock
	late time.Duration
}

func (c lateClock) Timer(d time.Duration) *clock.Timer { return c.Clock.Timer(d + c.late) }

func (c lateClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	time.AfterFunc(d, f)
	return c.Clock.AfterFunc(d, func() {})
}

// Timers that fire a little late do not slow a pace down; a machine that was
// asleep is not made up for.
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
				conn := slownet.NewConn(near, slownet.Config{
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

// The timer of a deadline that was moved, and fires all the same, is ignored.
func TestTimerOfAMovedDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		conn := slownet.NewConn(near, slownet.Config{Clock: lateClock{Clock: clock.New()}})
		start := time.Now()
		require.NoError(t, conn.SetReadDeadline(start.Add(time.Second)))
		require.NoError(t, conn.SetReadDeadline(start.Add(time.Hour)))
		_, err := conn.Read(make([]byte, 1))
		assert.Error(t, err)
		assert.Equal(t, time.Hour, time.Since(start))
		require.NoError(t, conn.Close())
	})
}
