package slownet

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A memoryConn is a net.PacketConn that is connected to another one, in memory.
// It treats every deadline as one in the past, and WriteTo can be made to block.
type memoryConn struct {
	name memoryName
	peer *memoryConn
	born time.Time

	mu      sync.Mutex // guards the fields below
	changed signal
	queue   []sent
	err     error // for the next WriteTo
	readErr error // for the next ReadFrom
	full    bool  // WriteTo blocks
	closed  bool
	past    [2]bool       // by direction
	idle    time.Duration // time after which a call times out by itself; zero means never
}

type memoryName string

func (memoryName) Network() string  { return "memory" }
func (n memoryName) String() string { return string(n) }

// sent is a datagram that arrived.
type sent struct {
	data string
	at   time.Duration
}

func memoryPair() (near, far *memoryConn) {
	near = &memoryConn{name: "near", born: time.Now()}
	far = &memoryConn{name: "far", born: near.born, peer: near}
	near.peer = far
	return near, far
}

func (m *memoryConn) await(direction Direction, ready func() bool) error {
	var idle <-chan time.Time
	if m.idle > 0 {
		idle = time.After(m.idle)
	}
	for {
		switch {
		case m.closed:
			return net.ErrClosed
		case m.past[direction]:
			return os.ErrDeadlineExceeded
		case ready():
			return nil
		}
		changed := m.changed.wait()
		m.mu.Unlock()
		select {
		case <-changed:
			m.mu.Lock()
		case <-idle:
			m.mu.Lock()
			return os.ErrDeadlineExceeded
		}
	}
}

func (m *memoryConn) ReadFrom(p []byte) (int, net.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.await(Read, func() bool { return len(m.queue) > 0 || m.readErr != nil }); err != nil {
		return 0, nil, err
	}
	if err := m.readErr; err != nil {
		m.readErr = nil
		return 0, nil, err
	}
	data := m.queue[0].data
	m.queue = m.queue[1:]
	return copy(p, data), m.peer.name, nil
}

func (m *memoryConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	m.mu.Lock()
	err := m.await(Write, func() bool { return !m.full })
	if err == nil {
		err, m.err = m.err, nil
	}
	m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if addr != m.peer.name {
		return 0, errors.New("no such host")
	}
	m.peer.set(func(m *memoryConn) { m.queue = append(m.queue, sent{string(p), time.Since(m.born)}) })
	return len(p), nil
}

// set changes the connection's state with its lock held.
func (m *memoryConn) set(change func(*memoryConn)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
	m.changed.wake()
}

func (m *memoryConn) setPast(direction Direction, t time.Time) error {
	m.set(func(m *memoryConn) { m.past[direction] = !t.IsZero() })
	return nil
}

func (m *memoryConn) LocalAddr() net.Addr                { return m.name }
func (m *memoryConn) SetReadDeadline(t time.Time) error  { return m.setPast(Read, t) }
func (m *memoryConn) SetWriteDeadline(t time.Time) error { return m.setPast(Write, t) }
func (m *memoryConn) SetDeadline(t time.Time) error      { panic("not used") }

func (m *memoryConn) Close() error {
	m.set(func(m *memoryConn) { m.closed = true })
	return nil
}

// got returns the datagrams that have arrived, and removes them from the queue.
func (m *memoryConn) got() []sent {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.queue = nil }()
	return m.queue
}

// send sends datagrams to the peer, which a wrapper reads.
func (m *memoryConn) send(t *testing.T, data ...string) {
	for _, d := range data {
		_, err := m.WriteTo([]byte(d), m.peer.name)
		require.NoError(t, err)
	}
}

// writeTo sends datagrams through a wrapper to the far end.
func writeTo(t *testing.T, c *PacketConn, data ...string) {
	for _, d := range data {
		n, err := c.WriteTo([]byte(d), memoryName("far"))
		require.NoError(t, err)
		require.Equal(t, len(d), n)
	}
}
