package slownet

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listenUDP returns a socket on loopback.
func listenUDP(t *testing.T) *net.UDPConn {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

// dialUDP returns a wrapped socket that is connected to another.
func dialUDP(t *testing.T, peer *net.UDPConn, config Config) *PacketConn {
	socket, err := net.DialUDP("udp", nil, peer.LocalAddr().(*net.UDPAddr))
	require.NoError(t, err)
	c := NewPacketConn(socket, config)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// packetLinks are the links on which sockets must behave the same.
var packetLinks = map[string]netem.Link{
	"zero":    {},
	"at once": {MTU: 1 << 16},
	"latency": {Latency: ms},
	"all":     {Latency: ms, Rate: netem.Gbps, Pace: netem.Pace{Bytes: 4096, Wait: time.Microsecond}},
}

func TestUDP(t *testing.T) {
	for name, link := range packetLinks {
		t.Run(name, func(t *testing.T) {
			a := NewPacketConn(listenUDP(t), Config{Read: link, Write: link})
			b := NewPacketConn(listenUDP(t), Config{Read: link, Write: link})
			defer a.Close()
			defer b.Close()
			go func() { // echoes
				buffer := make([]byte, 1<<16)
				for {
					n, peer, err := b.ReadFrom(buffer)
					if err != nil {
						return
					}
					_, err = b.WriteTo(buffer[:n], peer)
					assert.NoError(t, err)
				}
			}()
			buffer := make([]byte, 1<<16)
			for batch := range 10 {
				want := []string{"", string(make([]byte, 9000))}
				for i := range 20 {
					want = append(want, fmt.Sprint(batch, ".", i))
				}
				for _, data := range want {
					n, err := a.WriteTo([]byte(data), b.LocalAddr())
					require.NoError(t, err)
					require.Equal(t, len(data), n)
				}
				for _, data := range want {
					n, peer, err := a.ReadFrom(buffer)
					require.NoError(t, err)
					require.Equal(t, data, string(buffer[:n]))
					require.Equal(t, b.LocalAddr().String(), peer.String())
				}
			}
		})
	}
}

func TestUDPLatencyIsAtLeast(t *testing.T) {
	peer := listenUDP(t)
	c := dialUDP(t, peer, Config{Read: netem.Link{Latency: 20 * ms}, Write: netem.Link{Latency: 30 * ms}})
	start := time.Now()
	_, err := c.Write([]byte("there"))
	require.NoError(t, err)
	buffer := make([]byte, 10)
	_, addr, err := peer.ReadFrom(buffer)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(start), 30*ms)
	_, err = peer.WriteTo([]byte("and back"), addr)
	require.NoError(t, err)
	_, err = c.Read(buffer)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(start), 50*ms)
}

// A connected socket is a net.Conn.
func TestUDPConnected(t *testing.T) {
	for name, link := range packetLinks {
		t.Run(name, func(t *testing.T) {
			peer := listenUDP(t)
			var c net.Conn = dialUDP(t, peer, Config{Read: link, Write: link})
			assert.Equal(t, peer.LocalAddr(), c.RemoteAddr())
			n, err := c.Write([]byte("ping"))
			require.NoError(t, err)
			assert.Equal(t, 4, n)
			buffer := make([]byte, 10)
			n, addr, err := peer.ReadFrom(buffer)
			require.NoError(t, err)
			assert.Equal(t, "ping", string(buffer[:n]))
			assert.Equal(t, c.LocalAddr().String(), addr.String())
			for _, data := range []string{"", "pong"} {
				_, err = peer.WriteTo([]byte(data), addr)
				require.NoError(t, err)
			}
			n, err = c.Read(nil)
			require.NoError(t, err)
			assert.Zero(t, n, "it reads nothing into no room")
			n, err = c.Read(buffer)
			require.NoError(t, err)
			assert.Zero(t, n, "an empty datagram is not the end")
			n, err = c.Read(buffer)
			require.NoError(t, err)
			assert.Equal(t, "pong", string(buffer[:n]))
		})
	}
}

// A datagram for a closed port is answered, and the answer becomes an error.
func TestUDPRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the error is another one")
	}
	for name, link := range packetLinks {
		t.Run(name, func(t *testing.T) {
			peer := listenUDP(t)
			c := dialUDP(t, peer, Config{Read: link, Write: link})
			require.NoError(t, peer.Close())
			_, err := c.Write([]byte("anybody?"))
			require.NoError(t, err)
			_, err = c.Read(make([]byte, 1))
			assert.ErrorIs(t, err, syscall.ECONNREFUSED, "a reader is told")

			for err = error(nil); err == nil; time.Sleep(ms) {
				_, err = c.Write([]byte("nobody?"))
			}
			assert.ErrorIs(t, err, syscall.ECONNREFUSED, "a writer is told")
			assert.ErrorAs(t, err, new(*net.OpError))
		})
	}
}

// A pending error wakes one waiting reader, once.
func TestUDPPendingErrorWakesAReader(t *testing.T) {
	for name, link := range packetLinks {
		t.Run(name, func(t *testing.T) {
			peer := listenUDP(t)
			c := dialUDP(t, peer, Config{Read: link})
			read := make(chan error)
			go func() {
				_, err := c.Read(make([]byte, 1))
				read <- err
				_, err = c.Read(make([]byte, 1))
				read <- err
			}()
			c.setPending(errno("write", syscall.ECONNREFUSED), true)
			assert.ErrorIs(t, <-read, syscall.ECONNREFUSED)
			require.NoError(t, c.Close())
			assert.ErrorIs(t, <-read, net.ErrClosed)
		})
	}
}

// A udpSocket is a *net.UDPConn or its wrapper.
type udpSocket interface {
	net.PacketConn
	Write([]byte) (int, error)
}

// If a socket would reject a datagram at once, so does its wrapper, with the same error.
func TestUDPRefusals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the system calls have other names")
	}
	v4, v6 := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, &net.UDPAddr{IP: net.IPv6loopback, Port: 9}
	large := make([]byte, 65508)
	for name, write := range map[string]func(udpSocket) (int, error){
		"no address":           func(c udpSocket) (int, error) { return c.WriteTo(nil, (*net.UDPAddr)(nil)) },
		"other address":        func(c udpSocket) (int, error) { return c.WriteTo(nil, &net.UnixAddr{Name: "x"}) },
		"other family":         func(c udpSocket) (int, error) { return c.WriteTo(nil, v6) },
		"no such family":       func(c udpSocket) (int, error) { return c.WriteTo(nil, &net.UDPAddr{IP: net.IP{1}}) },
		"too large":            func(c udpSocket) (int, error) { return c.WriteTo(large, v4) },
		"too large, connected": func(c udpSocket) (int, error) { return c.Write(large) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, connected := range []bool{false, true} {
				socket := listenUDP(t)
				if connected {
					socket = dialUDP(t, socket, Config{}).inner.(*net.UDPConn)
				}
				_, want := write(socket)
				require.Error(t, want)
				c := NewPacketConn(socket, Config{Write: netem.Link{Latency: ms}})
				n, err := write(c)
				assert.Zero(t, n)
				require.Error(t, err)
				assert.Equal(t, want.Error(), err.Error())
				var opError *net.OpError
				require.ErrorAs(t, err, &opError)
				require.NoError(t, c.Close())
			}
		})
	}
}

// The largest datagrams are sent.
func TestUDPLargest(t *testing.T) {
	a, b := NewPacketConn(listenUDP(t), Config{Write: netem.Link{Latency: ms}}), listenUDP(t)
	_, err := a.WriteTo(make([]byte, maxIPv4Datagram), b.LocalAddr())
	require.NoError(t, err)
	if runtime.GOOS == "linux" { // elsewhere a socket's buffer is smaller at first
		n, _, err := b.ReadFrom(make([]byte, 1<<16))
		require.NoError(t, err)
		assert.Equal(t, maxIPv4Datagram, n)
	}
	require.NoError(t, a.Close())
}

// The caller's address may change as soon as WriteTo has returned.
func TestUDPAddressIsKept(t *testing.T) {
	a, b := NewPacketConn(listenUDP(t), Config{Write: netem.Link{Latency: ms}}), listenUDP(t)
	addr := *b.LocalAddr().(*net.UDPAddr)
	addr.IP = append(net.IP(nil), addr.IP...)
	_, err := a.WriteTo([]byte("x"), &addr)
	require.NoError(t, err)
	addr.Port, addr.IP[len(addr.IP)-1] = 0, 99
	_, _, err = b.ReadFrom(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, a.Close())
}

func TestUDPOptions(t *testing.T) {
	c := NewPacketConn(listenUDP(t), Config{})
	assert.NoError(t, c.SetReadBuffer(1<<16))
	assert.NoError(t, c.SetWriteBuffer(1<<16))
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	assert.NoError(t, raw.Control(func(uintptr) {}))
	require.NoError(t, c.Close())
}

// On a mock clock over a real socket, time stands still until the clock is
// advanced.
func TestUDPMockClock(t *testing.T) {
	mock := clock.NewMock()
	a := NewPacketConn(listenUDP(t), Config{Clock: mock, Write: netem.Link{Latency: time.Hour}})
	b := NewPacketConn(listenUDP(t), Config{Clock: mock})
	_, err := a.WriteTo([]byte("an hour"), b.LocalAddr())
	require.NoError(t, err)
	buffer := make([]byte, 10)
	read := make(chan error, 1)
	receive := func() {
		_, _, err := b.ReadFrom(buffer)
		read <- err
	}
	go receive()
	for arrived := false; !arrived; { // the delivery goroutine may not have set its timer yet
		mock.Add(time.Hour)
		select {
		case err := <-read:
			require.NoError(t, err)
			arrived = true
		case <-time.After(ms):
		}
	}
	require.NoError(t, b.SetReadDeadline(mock.Now().Add(time.Minute)))
	go receive()
	mock.Add(time.Minute)
	assert.ErrorIs(t, <-read, os.ErrDeadlineExceeded)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// Goroutines exist only while datagrams are in flight.
func TestUDPGoroutines(t *testing.T) {
	const sockets = 5
	before := runtime.NumGoroutine()
	link := netem.Link{Latency: 50 * ms}
	all := make([]*PacketConn, sockets)
	for i := range all {
		all[i] = NewPacketConn(listenUDP(t), Config{Read: link, Write: link})
	}
	settled := func(n int) func() bool { return func() bool { return runtime.NumGoroutine() <= n } }
	// Eventually uses a goroutine of its own.
	assert.Eventually(t, settled(before+1), time.Minute, ms)
	for _, c := range all {
		for range 10 {
			_, err := c.WriteTo([]byte("x"), c.LocalAddr())
			require.NoError(t, err)
		}
	}
	for _, c := range all {
		for range 10 {
			_, _, err := c.ReadFrom(make([]byte, 1))
			require.NoError(t, err)
		}
	}
	assert.Eventually(t, settled(before+1), time.Minute, ms)
	for _, c := range all {
		require.NoError(t, c.Close())
	}
}

// Many goroutines read, write, change links and deadlines, stall and close at
// once: none of them hangs.
func TestUDPHammer(t *testing.T) {
	for range 2 {
		a, b := NewPacketConn(listenUDP(t), Config{}), NewPacketConn(listenUDP(t), Config{Write: netem.Link{Latency: ms}})
		stop := make(chan struct{})
		var others sync.WaitGroup
		repeat := func(do func(i int)) {
			others.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						do(i)
					}
				}
			})
		}
		for _, c := range []*PacketConn{a, b} {
			peer := a.LocalAddr()
			if c == a {
				peer = b.LocalAddr()
			}
			for range 3 {
				repeat(func(i int) {
					if _, err := c.WriteTo(make([]byte, 100), peer); err != nil || i%100 == 0 {
						time.Sleep(50 * time.Microsecond)
					}
				})
				repeat(func(int) { _, _, _ = c.ReadFrom(make([]byte, 100)) })
			}
			repeat(func(i int) { _ = c.SetDeadline(time.Now().Add(time.Duration(i%3) * 100 * time.Microsecond)) })
			repeat(func(i int) {
				links := []netem.Link{{}, {Latency: ms}, {Rate: netem.Gbps}, {Loss: netem.Loss{Random: 0.5}, Duplicate: netem.Chance{Probability: 0.5}}}
				c.SetLinks(links[i%4], links[i/4%4])
				time.Sleep(50 * time.Microsecond)
			})
			repeat(func(int) {
				c.Stall()
				time.Sleep(50 * time.Microsecond)
				c.Resume()
				time.Sleep(50 * time.Microsecond)
			})
		}
		time.Sleep(20 * ms)
		var closing sync.WaitGroup
		for _, c := range []*PacketConn{a, b, a, b} {
			closing.Go(func() { _ = c.Close() })
		}
		closing.Wait()
		close(stop)
		others.Wait()
	}
}

// Unix datagrams wait for a peer that does not read, and so do datagrams in flight.
func TestUnixgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere there are none, or they do not wait")
	}
	listen := func(name string) *net.UnixConn {
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: t.TempDir() + "/" + name, Net: "unixgram"})
		require.NoError(t, err)
		return socket
	}
	peer := listen("b")
	defer peer.Close()
	c := NewPacketConn(listen("a"), Config{Write: netem.Link{Latency: ms}})
	const n = 1000
	for i := range n {
		_, err := c.WriteTo([]byte(fmt.Sprint(i)), peer.LocalAddr())
		require.NoError(t, err)
	}
	closed := make(chan error)
	go func() { closed <- shut(c) }()
	buffer := make([]byte, 10)
	for i := range n {
		n, _, err := peer.ReadFrom(buffer)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(buffer[:n]))
	}
	require.NoError(t, <-closed)
}
