package simtest

import (
	"net"
	"net/netip"
	"syscall"
)

// Further methods of *net.UDPConn. There are no control messages: none are received,
// and sending one is an error.

// truncated is the flag of a truncated datagram: Linux's MSG_TRUNC.
const truncated = 0x20

// ReadFromUDP is ReadFrom with the type of its address.
func (c *packetConn) ReadFromUDP(p []byte) (n int, from *net.UDPAddr, err error) {
	n, _, addr, err := c.receive("recvfrom", p)
	return n, udpAddr(addr), err
}

// ReadMsgUDPAddrPort reads the next datagram. As on Linux, the flags are 0x20
// (MSG_TRUNC) if it did not fit into p.
func (c *packetConn) ReadMsgUDPAddrPort(p, _ []byte) (n, oobn, flags int, from netip.AddrPort, err error) {
	n, flags, from, err = c.receive("recvmsg", p)
	return n, 0, flags, from, err
}

// ReadMsgUDP is ReadMsgUDPAddrPort with another type of address.
func (c *packetConn) ReadMsgUDP(p, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	n, oobn, flags, addr, err := c.ReadMsgUDPAddrPort(p, oob)
	return n, oobn, flags, udpAddr(addr), err
}

func udpAddr(addr netip.AddrPort) *net.UDPAddr {
	if !addr.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(addr)
}

// WriteToUDP is WriteTo with the type of its address.
func (c *packetConn) WriteToUDP(p []byte, to *net.UDPAddr) (int, error) {
	switch {
	case to == nil && c.remote.IsValid():
		return 0, c.opError("write", nil, net.ErrWriteToConnected)
	case to == nil:
		return 0, c.opError("write", nil, errMissingAddress)
	}
	return c.WriteToUDPAddrPort(p, to.AddrPort())
}

// WriteMsgUDPAddrPort sends a datagram to an address; on a connected socket, the
// address must be zero.
func (c *packetConn) WriteMsgUDPAddrPort(p, oob []byte, to netip.AddrPort) (n, oobn int, err error) {
	switch connected := c.remote.IsValid(); {
	case connected && to.IsValid():
		err = net.ErrWriteToConnected
	case !connected && !to.IsValid():
		err = errMissingAddress
	case len(oob) > 0:
		err = syscallError("sendmsg", syscall.EINVAL)
	case connected:
		to = c.remote
	}
	if err != nil {
		return 0, 0, c.opError("write", c.family.addr(to), err)
	}
	n, err = c.send("sendmsg", p, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return n, 0, err
}

// WriteMsgUDP is WriteMsgUDPAddrPort with another type of address.
func (c *packetConn) WriteMsgUDP(p, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	if to == nil {
		return c.WriteMsgUDPAddrPort(p, oob, netip.AddrPort{})
	}
	return c.WriteMsgUDPAddrPort(p, oob, to.AddrPort())
}
