package slownet

import (
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A served is a listener that a test dials.
type served struct {
	t *testing.T
	*Listener
}

func serve(t *testing.T, config Config) served {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := NewListener(inner, config)
	t.Cleanup(func() { _ = listener.Close() })
	return served{t, listener}
}

// connect returns both ends of a new connection.
func (s served) connect() (client net.Conn, accepted *Conn) {
	client, err := net.Dial("tcp", s.Addr().String())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = client.Close() })
	conn, err := s.Accept()
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		_ = conn.(*Conn).SetLinger(0)
		_ = conn.Close()
	})
	return client, conn.(*Conn)
}

// exchange writes at one end and reads at the other, and returns the elapsed time.
func (s served) exchange(from, to net.Conn) time.Duration {
	start := time.Now()
	_, err := from.Write([]byte("word"))
	require.NoError(s.t, err)
	_, err = io.ReadFull(to, make([]byte, 4))
	require.NoError(s.t, err)
	return time.Since(start)
}

// A listener's fault applies to existing connections and, if it lasts, to later
// ones.
func TestListenerFaults(t *testing.T) {
	s := serve(t, Config{})
	client1, conn1 := s.connect()
	assert.ElementsMatch(t, []*Conn{conn1}, s.Conns())

	s.SetLinks(netem.Link{Latency: 30 * ms}, netem.Link{Latency: 20 * ms})
	client2, conn2 := s.connect()
	for _, ends := range [][2]net.Conn{{client1, conn1}, {client2, conn2}} {
		assert.GreaterOrEqual(t, s.exchange(ends[0], ends[1]), 30*ms)
		assert.GreaterOrEqual(t, s.exchange(ends[1], ends[0]), 20*ms)
	}
	s.SetLinks(netem.Link{}, netem.Link{})

	s.Stall()
	client3, conn3 := s.connect()
	stalled := time.Now()
	time.AfterFunc(50*ms, s.Resume)
	for _, ends := range [][2]net.Conn{{conn1, client1}, {client2, conn2}, {conn3, client3}} {
		s.exchange(ends[0], ends[1])
		assert.GreaterOrEqual(t, time.Since(stalled), 50*ms)
	}

	require.NoError(t, conn2.Close())
	assert.ElementsMatch(t, []*Conn{conn1, conn3}, s.Conns())
	s.Reset()
	for _, client := range []net.Conn{client1, client3} {
		_, err := client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	}
	client4, conn4 := s.connect()
	s.exchange(client4, conn4)

	s.CloseAfter(Write, 6)
	client5, conn5 := s.connect()
	for client, conn := range map[net.Conn]*Conn{client4: conn4, client5: conn5} {
		n, err := conn.Write([]byte("1234567"))
		assert.Equal(t, 6, n)
		assert.ErrorIs(t, err, syscall.EPIPE)
		got, err := io.ReadAll(client)
		assert.NoError(t, err)
		assert.Equal(t, "123456", string(got))
	}
	s.CloseAfter(Write, -1)
	client6, conn6 := s.connect()
	s.exchange(conn6, client6)
	s.exchange(conn6, client6)
}

// A connection that is refused is reset, and Accept waits for the next.
func TestListenerRefuses(t *testing.T) {
	s := serve(t, Config{})
	s.Refuse(true)
	accepted := make(chan net.Conn)
	go func() {
		conn, err := s.Accept()
		assert.NoError(t, err)
		accepted <- conn
	}()
	for range 3 {
		client, err := net.Dial("tcp", s.Addr().String())
		if err == nil { // otherwise the reset was first
			_, err = client.Read(make([]byte, 1))
			require.NoError(t, client.Close())
		}
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	}
	s.Refuse(false)
	client, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	conn := <-accepted
	s.exchange(client, conn)
	require.NoError(t, conn.Close())
	require.NoError(t, client.Close())
}

// Connections are delayed at the same time, each from its own start.
func TestListenerDelays(t *testing.T) {
	s := serve(t, Config{Write: netem.Link{Latency: ms}})
	s.Delay(100 * ms)
	start := time.Now()
	client1, conn1 := s.connect()
	client2, conn2 := s.connect()
	assert.Less(t, time.Since(start), 100*ms, "they are accepted at once")
	s.exchange(client1, conn1)
	s.exchange(conn2, client2)
	assert.GreaterOrEqual(t, time.Since(start), 100*ms)
	s.Delay(0)
	client3, conn3 := s.connect()
	s.exchange(client3, conn3)
}

// Each connection of a listener draws from its own random sequence, and the
// same seed repeats it.
func TestListenerSeeds(t *testing.T) {
	sequences := func(seed uint64) (all [2][]time.Duration) {
		s := serve(t, Config{Write: netem.Link{Jitter: netem.Jitter{Deviation: ms}}, Seed: seed})
		for i := range all {
			_, conn := s.connect()
			for range 10 {
				all[i] = append(all[i], nextDelay(&conn.out.flow))
			}
		}
		return all
	}
	one := sequences(1)
	assert.Equal(t, one, sequences(1))
	assert.NotEqual(t, one, sequences(2))
	assert.NotEqual(t, one[0], one[1])
}

// Connections with the same bottleneck share its rate: two ideal streams take
// turns, 12 ms a packet, and one stream alone gets all of it.
func TestConnectionsShareABottleneck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := ideal(Config{Write: netem.Link{Bottleneck: netem.NewBottleneck(netem.Mbps)}})
		var arrivals [2]<-chan []arrival
		for i, n := range []int{3000, 6000} {
			near, far := net.Pipe()
			conn := NewConn(near, config)
			arrivals[i] = readAll(far)
			go func() {
				_, _ = conn.Write(make([]byte, n))
				_ = conn.Close()
			}()
		}
		short, long := <-arrivals[0], <-arrivals[1]
		assert.InDelta(t, float64(48*ms), float64(short[len(short)-1].at), float64(12*ms))
		assert.Equal(t, 72*ms, long[len(long)-1].at, "six packets of 12 ms")
		time.Sleep(time.Second)
	})
}

// A connection costs less than 1 KiB, and a write without limits allocates
// nothing. (The next size class of Go's allocator, for 889 bytes and more, is
// 1,024 bytes.)
func TestCost(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(Conn{}), uintptr(928))
	near, far := net.Pipe()
	conn := NewConn(near, Config{})
	buffer := make([]byte, 100)
	go func() { _, _ = io.Copy(io.Discard, far) }()
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = conn.Write(buffer) }))
	require.NoError(t, conn.Close())
	require.NoError(t, far.Close())
}
