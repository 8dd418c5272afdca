package slownet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
)

// udpReads are the ways to read from a socket: each returns the data and its
// sender.
var udpReads = map[string]func(*PacketConn) (string, netip.AddrPort, error){
	"ReadFromUDP": func(c *PacketConn) (string, netip.AddrPort, error) {
		p := make([]byte, 100)
		n, peer, err := c.ReadFromUDP(p)
		return string(p[:n]), peer.AddrPort(), err
	},
	"ReadFromUDPAddrPort": func(c *PacketConn) (string, netip.AddrPort, error) {
		p := make([]byte, 100)
		n, peer, err := c.ReadFromUDPAddrPort(p)
		return string(p[:n]), peer, err
	},
	"ReadMsgUDP": func(c *PacketConn) (string, netip.AddrPort, error) {
		p := make([]byte, 100)
		n, _, _, peer, err := c.ReadMsgUDP(p, make([]byte, 100))
		return string(p[:n]), peer.AddrPort(), err
	},
	"ReadMsgUDPAddrPort": func(c *PacketConn) (string, netip.AddrPort, error) {
		p := make([]byte, 100)
		n, _, _, peer, err := c.ReadMsgUDPAddrPort(p, nil)
		return string(p[:n]), peer, err
	},
	"ReadBatch": func(c *PacketConn) (string, netip.AddrPort, error) {
		ms := []ipv4.Message{{Buffers: [][]byte{make([]byte, 2), make([]byte, 98)}}}
		n, err := c.ReadBatch(ms, 0)
		if n == 0 {
			return "", netip.AddrPort{}, err
		}
		data := append(ms[0].Buffers[0], ms[0].Buffers[1]...)
		return string(data[:ms[0].N]), ms[0].Addr.(*net.UDPAddr).AddrPort(), err
	},
}

// udpWrites are the ways to write to a socket; on a connected socket, peer is nil.
var udpWrites = map[string]func(c *PacketConn, data string, peer *net.UDPAddr) (int, error){
	"WriteToUDP": func(c *PacketConn, data string, peer *net.UDPAddr) (int, error) {
		return c.WriteToUDP([]byte(data), peer)
	},
	"WriteToUDPAddrPort": func(c *PacketConn, data string, peer *net.UDPAddr) (int, error) {
		return c.WriteToUDPAddrPort([]byte(data), peer.AddrPort())
	},
	"WriteMsgUDP": func(c *PacketConn, data string, peer *net.UDPAddr) (int, error) {
		n, _, err := c.WriteMsgUDP([]byte(data), nil, peer)
		return n, err
	},
	"WriteMsgUDPAddrPort": func(c *PacketConn, data string, peer *net.UDPAddr) (int, error) {
		n, _, err := c.WriteMsgUDPAddrPort([]byte(data), nil, peer.AddrPort())
		return n, err
	},
	"WriteBatch": func(c *PacketConn, data string, peer *net.UDPAddr) (int, error) {
		ms := []ipv4.Message{{Buffers: [][]byte{[]byte(data[:1]), []byte(data[1:])}, Addr: addrOf(peer)}}
		_, err := c.WriteBatch(ms, 0)
		return ms[0].N, err
	},
}

// Every method that reads or writes a datagram crosses the link.
func TestEveryUDPMethodCrossesTheLink(t *testing.T) {
	t.Parallel()
	for linkName, link := range packetLinks {
		for writeName, write := range udpWrites {
			t.Run(linkName+"/"+writeName, func(t *testing.T) {
				t.Parallel()
				a, b := NewPacketConn(listenUDP(t), Config{Write: link}), NewPacketConn(listenUDP(t), Config{Read: link})
				for readName, read := range udpReads {
					start := time.Now()
					n, err := write(a, readName, b.LocalAddr().(*net.UDPAddr))
					require.NoError(t, err)
					require.Equal(t, len(readName), n)
					got, peer, err := read(b)
					require.NoError(t, err)
					assert.Equal(t, readName, got)
					assert.Equal(t, a.LocalAddr().(*net.UDPAddr).Port, int(peer.Port()))
					assert.GreaterOrEqual(t, time.Since(start), 2*link.Latency, readName)
				}
				require.NoError(t, a.Close())
				require.NoError(t, b.Close())
			})
		}
	}
}

// The errors are the socket's own, whatever the link.
func TestUDPMethodsFailAsTheSocketDoes(t *testing.T) {
	t.Parallel()
	far := listenUDP(t)
	peer := far.LocalAddr().(*net.UDPAddr)
	wants := map[string]string{}
	for _, linkName := range []string{"zero", "at once", "latency"} {
		link := packetLinks[linkName]
		listening, dialled := NewPacketConn(listenUDP(t), Config{Read: link, Write: link}), dialUDP(t, far, Config{Read: link, Write: link})
		check := func(what string, err error) {
			var op *net.OpError
			require.ErrorAs(t, err, &op, what)
			got := fmt.Sprint(op.Op, " ", op.Err)
			if linkName == "zero" {
				wants[what] = got
			}
			assert.Equal(t, wants[what], got, "%s: %s", linkName, what)
		}
		for name, write := range udpWrites {
			_, err := write(listening, "no address", nil)
			check(name+" to none", err)
			_, err = write(dialled, "connected", peer)
			check(name+" to another", err)
			_, err = write(listening, string(make([]byte, 1<<16)), peer)
			check(name+" too much", err)
		}
		require.NoError(t, listening.SetReadDeadline(time.Now().Add(-time.Second)))
		for name, read := range udpReads {
			_, _, err := read(listening)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			check(name+" late", err)
		}
		require.NoError(t, listening.Close())
		for name, read := range udpReads {
			_, _, err := read(listening)
			assert.ErrorIs(t, err, net.ErrClosed, "%s: %s", linkName, name)
		}
		for name, write := range udpWrites {
			_, err := write(listening, "closed", peer)
			assert.ErrorIs(t, err, net.ErrClosed, "%s: %s", linkName, name)
		}
		_, err := listening.File()
		assert.ErrorIs(t, err, net.ErrClosed)
	}
}

// A connected socket writes to its peer.
func TestMessagesOfAConnectedSocket(t *testing.T) {
	t.Parallel()
	for _, link := range packetLinks {
		far := listenUDP(t)
		c := dialUDP(t, far, Config{Write: link})
		buffer := make([]byte, 100)
		for _, name := range []string{"WriteMsgUDP", "WriteMsgUDPAddrPort", "WriteBatch"} {
			n, err := udpWrites[name](c, name, nil)
			require.NoError(t, err)
			require.Equal(t, len(name), n)
			n, err = far.Read(buffer)
			require.NoError(t, err)
			assert.Equal(t, name, string(buffer[:n]))
		}
	}
}

func TestUDPMethodsWithoutAUDPSocket(t *testing.T) {
	packetBubble(t, Config{Read: netem.Link{Latency: ms}, Write: netem.Link{Latency: ms}}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		for name, read := range udpReads {
			if name != "ReadBatch" {
				_, _, err := read(c)
				assert.ErrorIs(t, err, errors.ErrUnsupported, name)
			}
		}
		for name, write := range udpWrites {
			if name != "WriteBatch" {
				_, err := write(c, "x", &net.UDPAddr{Port: 1})
				assert.ErrorIs(t, err, errors.ErrUnsupported, name)
			}
		}
		_, err := c.File()
		assert.ErrorIs(t, err, errors.ErrUnsupported)

		out := []ipv4.Message{
			{Buffers: [][]byte{[]byte("ba")}, Addr: memoryName("far")},
			{Buffers: [][]byte{[]byte("t"), []byte("ch")}, Addr: memoryName("far")},
			{Buffers: [][]byte{[]byte("x")}, OOB: []byte("x"), Addr: memoryName("far")},
		}
		n, err := c.WriteBatch(out, 0)
		require.NoError(t, err)
		assert.Equal(t, 2, n, "control messages are not supported")
		far.send(t, "1", "22", "333")
		in := make([]ipv4.Message, 5)
		for i := range in {
			in[i].Buffers = [][]byte{make([]byte, 2)}
		}
		n, err = c.ReadBatch(in, 0)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		for i, want := range []string{"1", "22", "33"} {
			assert.Equal(t, want, string(in[i].Buffers[0][:in[i].N]))
			assert.Equal(t, memoryName("far"), in[i].Addr)
			assert.Equal(t, i == 2, in[i].Flags == truncatedData, "there was room for two")
		}
		time.Sleep(ms)
		assert.Equal(t, []sent{{"ba", ms}, {"tch", ms}}, far.got())
	})
}
