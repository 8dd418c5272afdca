package slownet

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Connecting takes a round trip, and a name takes longer than an address.
func TestDialer(t *testing.T) {
	for address, want := range map[string]time.Duration{
		"192.0.2.1:80":      50 * ms,
		"[2001:db8::1]:80":  50 * ms,
		"server.test:80":    50*ms + 3*time.Second,
		":80":               50 * ms,
		"not an address":    50 * ms,
		"/run/server.test:": 50*ms + 3*time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			dialer := &Dialer{
				Dial: func(_ context.Context, _, asked string) (net.Conn, error) {
					assert.Equal(t, address, asked)
					near, far := net.Pipe()
					_ = far.Close()
					return near, nil
				},
				Config: Config{Read: netem.Link{Latency: 20 * ms}, Write: netem.Link{Latency: 30 * ms}},
				Lookup: 3 * time.Second,
			}
			start := time.Now()
			conn, err := dialer.DialContext(t.Context(), "tcp", address)
			require.NoError(t, err)
			assert.Equal(t, want, time.Since(start))
			assert.IsType(t, &Conn{}, conn)
			require.NoError(t, conn.Close())
		})
	}
}

// A context that ends makes the dial fail, in each of its parts.
func TestDialerContext(t *testing.T) {
	for timeout, lookup := range map[time.Duration]time.Duration{ms: time.Second, 10 * ms: 0} {
		synctest.Test(t, func(t *testing.T) {
			dialled := 0
			dialer := &Dialer{
				Dial: func(context.Context, string, string) (net.Conn, error) {
					dialled++
					near, far := net.Pipe()
					_ = far.Close()
					return near, nil
				},
				Config: Config{Read: netem.Link{Latency: time.Second}},
				Lookup: lookup,
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			start := time.Now()
			_, err := dialer.DialContext(ctx, "tcp", "server.test:80")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			var opError *net.OpError
			require.ErrorAs(t, err, &opError)
			assert.Equal(t, "dial", opError.Op)
			assert.True(t, opError.Timeout())
			assert.Equal(t, timeout, time.Since(start))
		})
	}
}

// The zero Dialer behaves like net.Dialer. A Dialer returns the errors of the inner dial
// at once.
func TestDialerOfTheNetwork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var dialer Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, accepted.Close())
	require.NoError(t, conn.Close())
	require.NoError(t, listener.Close())

	_, err = (&Dialer{Config: Config{Read: netem.Link{Latency: time.Hour}}}).DialContext(t.Context(), "tcp", listener.Addr().String())
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)

	assert.PanicsWithValue(t, "slownet: Dialer.DialContext: Config.Read: Latency is -1ns: it must be 0 or more", func() {
		_, _ = (&Dialer{Config: Config{Read: netem.Link{Latency: -1}}}).DialContext(t.Context(), "tcp", "127.0.0.1:1")
	})
}

// Datagram connections are recognized.
func TestDialerOfDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	dialer := &Dialer{Config: Config{Read: netem.Link{Latency: ms}, Write: netem.Link{Latency: ms}}}
	conn, err := dialer.DialContext(t.Context(), "udp", server.LocalAddr().String())
	require.NoError(t, err)
	require.IsType(t, &PacketConn{}, conn)
	defer conn.Close()
	_, err = conn.Write([]byte("a datagram"))
	require.NoError(t, err)
	buffer := make([]byte, 100)
	n, from, err := server.ReadFrom(buffer)
	require.NoError(t, err)
	assert.Equal(t, "a datagram", string(buffer[:n]))
	_, err = server.WriteTo([]byte("another"), from)
	require.NoError(t, err)
	n, err = conn.Read(buffer)
	require.NoError(t, err)
	assert.Equal(t, "another", string(buffer[:n]))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(-1)))
	_, err = conn.Read(buffer)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)

	raw, err := net.Dial("udp", server.LocalAddr().String())
	require.NoError(t, err)
	defer raw.Close()
	assert.PanicsWithValue(t, "slownet: NewConn: a udp connection carries datagrams: wrap it with NewPacketConn", func() { NewConn(raw, Config{}) })
}

// A dialer forgets closed sockets.
func TestDialerForgetsClosedDatagramSockets(t *testing.T) {
	dialer := &Dialer{Config: Config{Write: netem.Link{Latency: ms}}}
	for range 3 {
		conn, err := dialer.DialContext(t.Context(), "udp", "127.0.0.1:9")
		require.NoError(t, err)
		assert.Len(t, dialer.group.all(), 1)
		require.NoError(t, shut(conn.(*PacketConn)))
		assert.Empty(t, dialer.group.all())
	}
}

// Each connection of a dialer draws from its own random sequence, and the same
// seed repeats it.
func TestDialerSeeds(t *testing.T) {
	sequences := func(seed uint64) (all [2][]time.Duration) {
		dialer := &Dialer{
			Dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				return near, far.Close()
			},
			Config: Config{Write: netem.Link{Jitter: netem.Jitter{Deviation: ms}}, Seed: seed},
		}
		for i := range all {
			conn, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
			require.NoError(t, err)
			for range 10 {
				all[i] = append(all[i], nextDelay(&conn.(*Conn).out.flow))
			}
			require.NoError(t, conn.Close())
		}
		return all
	}
	one := sequences(1)
	assert.Equal(t, one, sequences(1))
	assert.NotEqual(t, one, sequences(2))
	assert.NotEqual(t, one[0], one[1])
}
