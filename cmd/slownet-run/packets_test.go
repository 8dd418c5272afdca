package main

import (
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// decode returns the layers of a packet, whose checksums must be right.
func decode(t *testing.T, packet []byte, first gopacket.LayerType) gopacket.Packet {
	t.Helper()
	decoded := gopacket.NewPacket(packet, first, gopacket.Default)
	require.Nil(t, decoded.ErrorLayer())
	if first == layers.LayerTypeIPv4 {
		assert.Zero(t, checksum(sumOf(packet[:20])))
		assert.Zero(t, checksum(sumOf(packet[20:])))
	}
	assert.Equal(t, packet, encode(t, decoded), "with the checksums that gopacket computes")
	return decoded
}

// encode returns a packet with its checksums computed.
func encode(t *testing.T, p gopacket.Packet) []byte {
	t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	var all []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		if icmp, ok := l.(*layers.ICMPv6); ok {
			require.NoError(t, icmp.SetNetworkLayerForChecksum(p.NetworkLayer()))
		}
		switch l := l.(type) {
		case *layers.IPv4, *layers.IPv6, *layers.ICMPv4, *layers.ICMPv6:
			all = append(all, l.(gopacket.SerializableLayer))
			if _, ok := l.(*layers.ICMPv6); ok { // gopacket does not compute this one by itself
				all = append(all, gopacket.Payload(l.LayerPayload()))
			} else if _, ok := l.(*layers.ICMPv4); ok {
				all = append(all, gopacket.Payload(l.LayerPayload()))
			}
		}
	}
	require.NoError(t, gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}, all...))
	return buffer.Bytes()
}

func TestPackets(t *testing.T) {
	t.Parallel()
	a4, b4 := netip.MustParseAddr("198.51.100.100"), netip.MustParseAddr("192.0.2.7")
	a6, b6 := netip.MustParseAddr("2001:db8:6f::100"), netip.MustParseAddr("2001:db8::7")
	data := []byte("data, odd")

	request := icmpPacket(a4, b4, echoRequest, 0, 7<<16|3, data)
	e, ok := echoRequestIn(request)
	require.True(t, ok)
	assert.Equal(t, echo{a4, b4, 7, 3, data}, e)
	reply := decode(t, e.reply(), layers.LayerTypeIPv4)
	icmp := reply.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	assert.Equal(t, layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoReply, 0), icmp.TypeCode)
	assert.Equal(t, []uint16{7, 3}, []uint16{icmp.Id, icmp.Seq})
	assert.Equal(t, data, icmp.Payload)
	assert.Equal(t, b4.String(), reply.NetworkLayer().(*layers.IPv4).SrcIP.String())

	refusal := decode(t, e.refusal(request), layers.LayerTypeIPv4).Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	assert.Equal(t, layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeCommAdminProhibited), refusal.TypeCode)
	assert.Equal(t, request[:28], refusal.Payload)

	port := decode(t, portUnreachable(netip.AddrPortFrom(a4, 5000), netip.AddrPortFrom(b4, 53)), layers.LayerTypeIPv4).Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	assert.Equal(t, layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodePort), port.TypeCode)
	assert.Equal(t, []byte{5000 >> 8, 5000 & 255, 0, 53}, port.Payload[20:24])

	request = icmpPacket(a6, b6, echoRequest6, 0, 7<<16|3, data)
	e, ok = echoRequestIn(request)
	require.True(t, ok)
	assert.Equal(t, echo{a6, b6, 7, 3, data}, e)
	decode(t, e.reply(), layers.LayerTypeIPv6)
	decode(t, portUnreachable(netip.AddrPortFrom(a6, 5000), netip.AddrPortFrom(b6, 53)), layers.LayerTypeIPv6)

	for _, packet := range [][]byte{nil, {4 << 4}, request[:41], reply.Data(), icmpPacket(a4, b4, echoRequest, 1, 0, nil)} {
		_, ok := echoRequestIn(packet)
		assert.False(t, ok, "%x", packet)
	}
}
