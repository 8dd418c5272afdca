package reactor_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// A polledConn is a connection on which blocking reads are forbidden.
type polledConn struct {
	net.Conn
	reactor.Pollable
	t      *testing.T
	notify func()
}

func (c *polledConn) Read([]byte) (int, error) {
	c.t.Error("the loop called the blocking Read")
	return 0, io.EOF
}

func (c *polledConn) NotifyReadable(f func()) {
	c.notify = f
	c.Pollable.NotifyReadable(f)
}

// The loop waits for a Pollable connection without a goroutine, as the timing of a
// goroutine would vary. It removes its registration when it closes the connection.
func TestPollableConnectionIsReleased(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		near, err := sim.Host("a").Dial("tcp", "b:1")
		require.NoError(t, err)
		far, err := listener.Accept()
		require.NoError(t, err)
		conn := &polledConn{Conn: near, Pollable: near.(reactor.Pollable), t: t}
		var r reactor.Reactor
		c := newCollector(10)
		r.Add(conn, c)
		r.Call(func() { assert.NotNil(t, conn.notify) })
		_, err = io.WriteString(far, "text")
		require.NoError(t, err)
		require.NoError(t, far.Close())
		require.NoError(t, r.Run())
		assert.Equal(t, "text", c.data.String())
		assert.Nil(t, conn.notify)
	})
}

// A lateConn becomes readable while TryRead is returning ErrWouldBlock.
type lateConn struct {
	net.Conn
	notify func()
	reads  int
}

func (c *lateConn) NotifyReadable(f func()) {
	if c.notify = f; f != nil {
		f()
	}
}

func (c *lateConn) TryRead(p []byte) (int, error) {
	switch c.reads++; c.reads {
	case 1:
		c.notify()
		return 0, reactor.ErrWouldBlock
	case 2:
		return copy(p, "text"), nil
	}
	return 0, io.EOF
}

// Data that arrives just after a handler got ErrWouldBlock is not forgotten.
func TestArrivesWhenNothingWasThere(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	var r reactor.Reactor
	c := newCollector(10)
	conn := r.Add(&lateConn{Conn: near}, c)
	r.AfterFunc(10*time.Second, func() { _ = conn.Close() }) // so that a failing test ends
	require.NoError(t, r.Run())
	assert.Equal(t, "text", c.data.String())
	assert.Equal(t, 3, c.turns, "one for each time that there was data")
}

// From a connection that is neither a socket nor Pollable, the loop reads exactly 4 KiB
// ahead.
func TestReadsAhead(t *testing.T) {
	near, far := net.Pipe()
	var r reactor.Reactor
	var sizes []int
	buffer := make([]byte, 10_000)
	r.Add(near, reactor.HandlerFunc(func(c *reactor.Conn) {
		n, err := c.Read(buffer)
		if n > 0 {
			sizes = append(sizes, n)
		}
		if err == io.EOF {
			_ = c.Close()
		}
	}))
	r.Go(func() {
		_, err := far.Write(make([]byte, 9000))
		assert.NoError(t, err)
		_ = far.Close()
	}, func() {})
	require.NoError(t, r.Run())
	assert.Equal(t, []int{4096, 4096, 808}, sizes)
}

// An oddConn's Read returns unusual results that io.Reader allows: first no bytes and no
// error, and then bytes together with io.EOF.
type oddConn struct {
	net.Conn
	t     *testing.T
	reads int
}

func (c *oddConn) Read(p []byte) (int, error) {
	switch c.reads++; c.reads {
	case 1:
		return 0, nil
	case 2:
		return copy(p, "text"), io.EOF
	}
	c.t.Error("the connection was read after its end")
	return c.Conn.Read(p)
}

// After an empty read the loop reads again, and gets bytes. After io.EOF that came with
// bytes, the loop does not read the connection again.
func TestReadsOfNothingAndOfBytesWithTheEnd(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	var r reactor.Reactor
	c := newCollector(3)
	conn := r.Add(&oddConn{Conn: near, t: t}, c)
	r.AfterFunc(10*time.Second, func() { _ = conn.Close() }) // so that a failing test ends
	require.NoError(t, r.Run())
	assert.Equal(t, "text", c.data.String())
	assert.Equal(t, io.EOF, c.err)
}
