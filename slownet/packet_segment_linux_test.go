package slownet

import (
	"encoding/binary"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// control returns a control message.
func control(level, kind int32, data ...byte) []byte {
	b := make([]byte, syscall.CmsgSpace(len(data)))
	header := (*syscall.Cmsghdr)(unsafe.Pointer(&b[0]))
	header.Level, header.Type = level, kind
	header.SetLen(syscall.CmsgLen(len(data)))
	copy(b[syscall.CmsgLen(0):], data)
	return b
}

// tos and segment are control messages as quic-go sends them: a type of
// service, with ECN in its lowest bits, and a segment size.
func tos(value byte) []byte { return control(syscall.IPPROTO_IP, syscall.IP_TOS, value) }
func segment(size uint16) []byte {
	return control(syscall.IPPROTO_UDP, int32(sentSegments), binary.NativeEndian.AppendUint16(nil, size)...)
}

// with sets a socket option.
func with(t *testing.T, socket *net.UDPConn, level, option int) *net.UDPConn {
	raw, err := socket.SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), level, option, 1) }))
	if failed != nil {
		t.Skip("this kernel cannot: ", failed)
	}
	return socket
}

// ECN travels with the datagram, whatever the link.
func TestControlMessagesTravelWithTheirDatagram(t *testing.T) {
	t.Parallel()
	for name, link := range packetLinks {
		t.Run(name, func(t *testing.T) {
			a := NewPacketConn(listenUDP(t), Config{Write: link})
			b := NewPacketConn(with(t, listenUDP(t), syscall.IPPROTO_IP, syscall.IP_RECVTOS), Config{Read: link})
			reused := tos(0)
			for ecn := range byte(4) {
				copy(reused, tos(ecn))
				n, oobn, err := a.WriteMsgUDP([]byte{ecn}, reused, b.LocalAddr().(*net.UDPAddr))
				require.NoError(t, err)
				require.Equal(t, [2]int{1, len(reused)}, [2]int{n, oobn})
			}
			for ecn := range byte(4) {
				data, oob := make([]byte, 10), make([]byte, 100)
				n, oobn, flags, _, err := b.ReadMsgUDP(data, oob)
				require.NoError(t, err)
				assert.Equal(t, []byte{ecn}, data[:n])
				assert.Equal(t, control(syscall.IPPROTO_IP, syscall.IP_TOS, ecn), oob[:oobn])
				assert.Zero(t, flags&(truncatedData|truncatedControl))
			}
			for _, room := range []int{10, 20} {
				_, _, err := a.WriteMsgUDP([]byte("four"), tos(1), b.LocalAddr().(*net.UDPAddr))
				require.NoError(t, err)
				n, oobn, flags, _, err := b.ReadMsgUDP(make([]byte, 2), make([]byte, room))
				require.NoError(t, err)
				assert.Equal(t, 2, n)
				assert.NotZero(t, flags&truncatedData)
				if room < syscall.CmsgLen(1) {
					assert.Zero(t, oobn)
					assert.NotZero(t, flags&truncatedControl)
				} else {
					assert.Equal(t, room, oobn, "the padding needs no room")
					assert.Zero(t, flags&truncatedControl)
				}
			}
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
		})
	}
}

// With UDP_SEGMENT, one write sends several datagrams. They are separate on a
// link, too: each fits the MTU, and each has an event.
func TestSegmentsOfOneWriteAreDatagramsOfTheirOwn(t *testing.T) {
	t.Parallel()
	links := map[string]netem.Link{"small": {MTU: 4, Latency: ms}}
	for name, link := range packetLinks {
		links[name] = link
	}
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			far := with(t, listenUDP(t), syscall.IPPROTO_IP, syscall.IP_RECVTOS)
			c := NewPacketConn(listenUDP(t), Config{Write: link})
			n, _, err := c.WriteMsgUDP([]byte("aaaabbbbcc"), append(tos(1), segment(4)...), far.LocalAddr().(*net.UDPAddr))
			if err != nil && link.IsZero() {
				t.Skip("this kernel cannot: ", err)
			}
			require.NoError(t, err)
			assert.Equal(t, 10, n)
			for _, want := range []string{"aaaa", "bbbb", "cc"} {
				data, oob := make([]byte, 10), make([]byte, 100)
				require.NoError(t, far.SetReadDeadline(time.Now().Add(10*time.Second)))
				n, oobn, _, _, err := far.ReadMsgUDP(data, oob)
				require.NoError(t, err)
				assert.Equal(t, want, string(data[:n]))
				assert.Equal(t, tos(1), oob[:oobn], "all have the other control messages")
			}
			require.NoError(t, c.Close())
		})
	}
}

// With UDP_GRO, one read may return several datagrams. They are separate on a link.
func TestDatagramsReceivedAsOneTravelByThemselves(t *testing.T) {
	t.Parallel()
	b := NewPacketConn(with(t, listenUDP(t), syscall.IPPROTO_UDP, int(receivedSegments)), Config{Read: netem.Link{Latency: ms}})
	a := listenUDP(t)
	_, _, err := a.WriteMsgUDP([]byte("aaaabbbbcc"), segment(4), b.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Skip("this kernel cannot: ", err)
	}
	for _, want := range []string{"aaaa", "bbbb", "cc"} {
		data := make([]byte, 10)
		n, _, _, _, err := b.ReadMsgUDP(data, make([]byte, 100))
		require.NoError(t, err)
		assert.Equal(t, want, string(data[:n]))
	}
	require.NoError(t, b.Close())
}

func TestCuttingControlMessages(t *testing.T) {
	t.Parallel()
	join := func(parts ...[]byte) (all []byte) {
		for _, part := range parts {
			all = append(all, part...)
		}
		return all
	}
	for name, test := range map[string]struct {
		oob, rest []byte
		size      int
	}{
		"none":        {nil, nil, 0},
		"another":     {tos(1), tos(1), 0},
		"alone":       {segment(4), nil, 4},
		"first":       {join(segment(4), tos(1)), tos(1), 4},
		"last":        {join(tos(1), segment(4)), tos(1), 4},
		"between":     {join(tos(1), segment(4), tos(2)), join(tos(1), tos(2)), 4},
		"without pad": {join(tos(1), segment(4))[:syscall.CmsgSpace(1)+syscall.CmsgLen(2)], tos(1), 4},
		"too large":   {segment(10), segment(10), 0},
		"zero":        {segment(0), segment(0), 0},
		"odd":         {control(syscall.IPPROTO_UDP, int32(sentSegments), 1, 2, 3), control(syscall.IPPROTO_UDP, int32(sentSegments), 1, 2, 3), 0},
		"garbage":     {[]byte(strings.Repeat("x", 40)), []byte(strings.Repeat("x", 40)), 0},
	} {
		size, rest := sentSegments.cut(test.oob, 10)
		assert.Equal(t, test.size, size, name)
		assert.Equal(t, test.rest, rest, name)
	}
}
