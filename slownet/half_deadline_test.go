package slownet

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A deadline that is moved into the past wakes calls that wait for the link.
func TestDeadlineInThePastWakesCallsThatWaitForTheLink(t *testing.T) {
	config := Config{Read: netem.Link{Latency: time.Hour}, Write: netem.Link{Pace: netem.Pace{Bytes: 1, Wait: time.Hour}}}
	overPipe(t, config, func(t *testing.T, conn *Conn, far net.Conn) {
		failed := make(chan error)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			failed <- err
		}()
		_, err := far.Write([]byte("x"))
		require.NoError(t, err)
		go func() { _, _ = far.Read(make([]byte, 1)) }()
		go func() {
			_, err := conn.Write([]byte("12"))
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, conn.SetDeadline(longAgo))
		for range 2 {
			assert.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
		}
		assert.Zero(t, time.Since(bubbleStart))
	})
}

// A deadline may still be set after a fault has ended the connection, as on a socket.
func TestSetDeadlineAfterAFault(t *testing.T) {
	for name, fault := range map[string]func(*Conn){
		"reset": (*Conn).Reset,
		"end":   func(c *Conn) { c.CloseAfter(Write, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, Config{}, func(t *testing.T, conn *Conn, far net.Conn) {
				fault(conn)
				assert.NoError(t, conn.SetDeadline(time.Now().Add(time.Second)))
				assert.NoError(t, conn.SetDeadline(time.Time{}))
			})
		})
	}
}

// A firedClock counts the timers that have fired.
type firedClock struct {
	clock.Clock
	fired *int
}

func (c firedClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	return c.Clock.AfterFunc(d, func() { *c.fired++; f() })
}

// A deadline that is moved or removed leaves no timer, nor does a deadline of a closed
// connection.
func TestDeadlinesLeaveNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fired := 0
		near, far := net.Pipe()
		conn := NewConn(near, Config{Clock: firedClock{clock.New(), &fired}})
		for range 3 {
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
		}
		require.NoError(t, conn.SetReadDeadline(time.Time{}))
		require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Hour)))
		require.NoError(t, conn.Close())
		time.Sleep(2 * time.Hour)
		assert.Zero(t, fired)
		_ = far.Close()
	})
}

// A movingClock is advanced by another goroutine just before a timer of at most
// two seconds is set, once.
type movingClock struct {
	*clock.Mock
	by time.Duration
}

func (c *movingClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	if d <= 2*time.Second {
		by := c.by
		c.by = 0
		c.Mock.Add(by)
	}
	return c.Mock.AfterFunc(d, f)
}

// If the clock is advanced while a deadline is set, the deadline is neither
// late nor forgotten.
func TestDeadlineOnAClockThatIsAdvancedMeanwhile(t *testing.T) {
	for _, by := range []time.Duration{0, time.Second, 2 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			mock := &movingClock{clock.NewMock(), by}
			near, far := net.Pipe()
			conn := NewConn(near, Config{Clock: mock})
			failed := make(chan error, 1)
			go func() {
				_, err := conn.Read(make([]byte, 1))
				failed <- err
			}()
			synctest.Wait() // it is in the inner connection
			deadline := mock.Now().Add(2 * time.Second)
			require.NoError(t, conn.SetReadDeadline(deadline))
			mock.Add(max(0, deadline.Sub(mock.Now())))
			select {
			case err := <-failed:
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			case <-time.After(time.Minute):
				t.Error("the reader was not woken, with a clock that moved by", by)
			}
			require.NoError(t, conn.Close())
			_ = far.Close()
		})
	}
}
