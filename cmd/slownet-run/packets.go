package main

import (
	"encoding/binary"
	"net/netip"
)

// The IP protocols and ICMP types of the packets that this file reads and creates.
const (
	protocolICMP   = 1
	protocolUDP    = 17
	protocolICMPv6 = 58

	echoRequest  = 8
	echoReply    = 0
	echoRequest6 = 128
	echoReply6   = 129
	unreachable  = 3
	unreachable6 = 1
)

// An echo is an ICMP echo request or reply, in an IP packet without extensions or
// fragments.
type echo struct {
	from, to netip.Addr
	id, seq  uint16
	data     []byte
}

// echoRequestIn returns the echo request that a packet contains, if it contains one.
func echoRequestIn(packet []byte) (e echo, ok bool) {
	var message []byte
	kind := byte(echoRequest)
	switch {
	case len(packet) >= 20 && packet[0] == 4<<4|5 && packet[9] == protocolICMP && binary.BigEndian.Uint16(packet[6:])&0x3fff == 0:
		e.from, _ = netip.AddrFromSlice(packet[12:16])
		e.to, _ = netip.AddrFromSlice(packet[16:20])
		message = packet[20:]
	case len(packet) >= 40 && packet[0]>>4 == 6 && packet[6] == protocolICMPv6:
		e.from, _ = netip.AddrFromSlice(packet[8:24])
		e.to, _ = netip.AddrFromSlice(packet[24:40])
		message, kind = packet[40:], echoRequest6
	default:
		return e, false
	}
	if len(message) < 8 || message[0] != kind || message[1] != 0 {
		return e, false
	}
	e.id, e.seq, e.data = binary.BigEndian.Uint16(message[4:]), binary.BigEndian.Uint16(message[6:]), message[8:]
	return e, true
}

// reply returns the packet that answers the echo.
func (e echo) reply() []byte {
	kind := byte(echoReply)
	if e.to.Is6() {
		kind = echoReply6
	}
	return icmpPacket(e.to, e.from, kind, 0, uint32(e.id)<<16|uint32(e.seq), e.data)
}

// refusal returns the packet that says that communication is administratively prohibited.
func (e echo) refusal(packet []byte) []byte {
	if e.to.Is6() {
		return icmpPacket(e.to, e.from, unreachable6, 1, 0, packet[:min(len(packet), 576)])
	}
	return icmpPacket(e.to, e.from, unreachable, 13, 0, packet[:min(len(packet), 28)])
}

// portUnreachable returns the packet that tells the sender of a datagram that the port is
// closed.
func portUnreachable(sender, to netip.AddrPort) []byte {
	datagram := make([]byte, 8)
	binary.BigEndian.PutUint16(datagram, sender.Port())
	binary.BigEndian.PutUint16(datagram[2:], to.Port())
	binary.BigEndian.PutUint16(datagram[4:], 8)
	sent := ipPacket(sender.Addr(), to.Addr(), protocolUDP, datagram)
	if to.Addr().Is6() {
		return icmpPacket(to.Addr(), sender.Addr(), unreachable6, 4, 0, sent)
	}
	return icmpPacket(to.Addr(), sender.Addr(), unreachable, 3, 0, sent)
}

// icmpPacket returns an IP packet with an ICMP message, of the addresses' IP version.
func icmpPacket(from, to netip.Addr, kind, code byte, rest uint32, data []byte) []byte {
	message := binary.BigEndian.AppendUint32([]byte{kind, code, 0, 0}, rest)
	message = append(message, data...)
	protocol, sum := byte(protocolICMP), uint32(0)
	if from.Is6() { // the checksum of ICMPv6 covers the addresses, too
		protocol = protocolICMPv6
		sum = sumOf(from.AsSlice()) + sumOf(to.AsSlice()) + uint32(len(message)) + protocolICMPv6
	}
	binary.BigEndian.PutUint16(message[2:], checksum(sum+sumOf(message)))
	return ipPacket(from, to, protocol, message)
}

// ipPacket returns an IP packet with a payload, of the addresses' IP version.
func ipPacket(from, to netip.Addr, protocol byte, payload []byte) []byte {
	const ttl = 64
	if from.Is6() {
		header := []byte{6 << 4, 0, 0, 0, 0, 0, protocol, ttl}
		binary.BigEndian.PutUint16(header[4:], uint16(len(payload)))
		header = append(append(header, from.AsSlice()...), to.AsSlice()...)
		return append(header, payload...)
	}
	header := []byte{4<<4 | 5, 0, 0, 0, 0, 0, 0, 0, ttl, protocol, 0, 0}
	binary.BigEndian.PutUint16(header[2:], uint16(20+len(payload)))
	header = append(append(header, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(header[10:], checksum(sumOf(header)))
	return append(header, payload...)
}

// sumOf returns the sum from which a checksum is computed (RFC 1071).
func sumOf(data []byte) (sum uint32) {
	for len(data) >= 2 {
		sum += uint32(binary.BigEndian.Uint16(data))
		data = data[2:]
	}
	if len(data) == 1 {
		sum += uint32(data[0]) << 8
	}
	return sum
}

// checksum folds a sum into a checksum.
func checksum(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
