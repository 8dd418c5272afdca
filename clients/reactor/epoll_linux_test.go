package reactor_test

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/clients/reactor"
)

// An askedClock counts how often it is asked for the time.
type askedClock struct {
	clock.Clock
	asked atomic.Int64
}

func (c *askedClock) Now() time.Time {
	c.asked.Add(1)
	return c.Clock.Now()
}

// A socket that the loop has closed does not keep it awake, not even if
// somebody has a copy of its descriptor.
func TestClosedSocketWithACopy(t *testing.T) {
	near, far := socketPair(t, "tcp", "127.0.0.1:0")
	defer far.Close()
	file, err := near.(*net.TCPConn).File()
	require.NoError(t, err)
	defer file.Close()
	other, otherFar := socketPair(t, "tcp", "127.0.0.1:0")
	defer otherFar.Close()

	counting := &askedClock{Clock: clock.New()}
	r := reactor.Reactor{Clock: counting}
	kept := r.Add(other, newCollector(1))
	r.Add(near, reactor.HandlerFunc(func(c *reactor.Conn) { _ = c.Close() }))
	_, err = far.Write([]byte("nobody reads this"))
	require.NoError(t, err)
	r.Go(func() { time.Sleep(100 * time.Millisecond) }, func() { _ = kept.Close() })
	require.NoError(t, r.Run())
	assert.Less(t, counting.asked.Load(), int64(100))
}
