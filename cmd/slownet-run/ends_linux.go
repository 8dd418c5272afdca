package main

import (
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/slowpoetry/slowpoetry/internal/wire"
)

// ends are the remote ends of the command's connections: a TCP/IP stack that accepts
// packets to all addresses, and continues their connections over sockets of the host.
type ends struct {
	stack *stack.Stack
	link  *link
	ipv6  bool
	names *names
	pings *pings
	warn  func(format string, args ...any)
}

// nic is the number of the stack's only interface.
const nic = 1

// newEnds returns ends, which can answer only after connect is called.
func newEnds(mtu int, ipv6On bool, warn func(format string, args ...any)) (*ends, error) {
	e := &ends{ipv6: ipv6On, warn: warn, names: &names{ipv6: ipv6On}}
	e.pings = newPings(e.reply, warn)
	e.link = &link{Endpoint: channel.New(1, uint32(mtu), "")}
	e.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocolCUBIC, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	if err := e.stack.CreateNIC(nic, e.link); err != nil {
		return nil, problem(err)
	}
	for _, address := range []netip.Addr{gatewayAddress, hostAddress, gatewayAddress6} {
		protocol := tcpip.ProtocolAddress{Protocol: protocolOf(address), AddressWithPrefix: addressOf(address).WithPrefix()}
		if err := e.stack.AddProtocolAddress(nic, protocol, stack.AddressProperties{}); err != nil {
			return nil, problem(err)
		}
	}
	e.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	if err := e.stack.SetPromiscuousMode(nic, true); err != nil { // accept packets to all addresses,
		return nil, problem(err)
	}
	if err := e.stack.SetSpoofing(nic, true); err != nil { // and answer from them
		return nil, problem(err)
	}
	e.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(e.stack, 0, 1<<14, e.forwardTCP).HandlePacket)
	e.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(e.stack, e.forwardUDP).HandlePacket)
	return e, nil
}

// connect sets the direction that carries the ends' packets to the command.
func (e *ends) connect(down *wire.Direction) { e.link.down = down }

// receive takes a packet from the command.
func (e *ends) receive(packet []byte) {
	if e.pings.take(packet) {
		return
	}
	protocol := ipv4.ProtocolNumber
	if packet[0]>>4 == 6 {
		protocol = ipv6.ProtocolNumber
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	e.link.InjectInbound(protocol, p)
	p.DecRef()
}

// reply sends an IP packet to the command.
func (e *ends) reply(packet []byte) {
	b := e.link.down.Buffer()
	e.link.down.Send(b[:copy(b, packet)])
}

// A link puts the stack's packets on the line at once, in order for each connection.
type link struct {
	*channel.Endpoint
	down *wire.Direction
}

// WritePackets puts packets on the line.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for _, p := range packets.AsSlice() {
		b := l.down.Buffer()
		n := 0
		for _, part := range p.AsSlices() {
			n += copy(b[n:], part)
		}
		l.down.Send(b[:n])
	}
	return packets.Len(), nil
}

// dialed returns the addresses that the host dials for an address that the command uses,
// in order of preference, and whether there are any.
func dialed(a netip.Addr) ([]netip.Addr, bool) {
	switch a {
	case hostAddress:
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, true
	case gatewayAddress, gatewayAddress6:
		return nil, false
	}
	return []netip.Addr{a}, true
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func addressOf(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// addrPortOf converts an address and a port of the stack.
func addrPortOf(a tcpip.Address, port uint16) netip.AddrPort {
	address, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(address, port)
}

// problem turns an error of the stack into an error.
func problem(err tcpip.Error) error { return fmt.Errorf("%v", err) }

// hostHasIPv6 reports whether the host has an IPv6 route to the Internet. The command has
// IPv6 only then. No packet is sent.
func hostHasIPv6() bool {
	conn, err := net.Dial("udp6", "[2001:4860:4860::8888]:53")
	if err != nil {
		return false
	}
	defer conn.Close()
	return true
}
