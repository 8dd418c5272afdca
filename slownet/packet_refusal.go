package slownet

import (
	"errors"
	"net"
	"syscall"
)

// The maximum sizes of datagrams: 65,535 bytes minus the headers of IPv4 and
// UDP, or of UDP alone.
const (
	maxIPv4Datagram = 65535 - 20 - 8
	maxIPv6Datagram = 65535 - 8
)

// refusal returns the error with which the inner connection would reject a
// datagram of n bytes immediately, before it reaches the network, as far as that
// is known without sending it. call is the name of the system call that would
// send the datagram.
func (c *PacketConn) refusal(call string, n int, peer net.Addr) error {
	udp, isUDP := peer.(*net.UDPAddr)
	if udp == nil && isUDP {
		peer = nil // as the net package prints it
	}
	inner, ok := c.inner.(*net.UDPConn)
	if !ok {
		if peer == nil {
			return wrapError(c.inner, "write", nil, errors.New("missing address"))
		}
		return nil
	}
	switch {
	case !isUDP:
		return wrapError(inner, "write", peer, syscall.EINVAL)
	case inner.RemoteAddr() != nil:
		return wrapError(inner, "write", peer, net.ErrWriteToConnected)
	case udp == nil:
		return wrapError(inner, "write", nil, errors.New("missing address"))
	case isIPv4(inner.LocalAddr()) && len(udp.IP) > 0 && udp.IP.To4() == nil:
		return wrapError(inner, "write", peer, &net.AddrError{Err: "non-IPv4 address", Addr: udp.IP.String()})
	case len(udp.IP) > 0 && udp.IP.To16() == nil:
		return wrapError(inner, "write", peer, &net.AddrError{Err: "non-IPv6 address", Addr: udp.IP.String()})
	case isTooLarge(n, udp) && c.out.check() == nil:
		return wrapError(inner, "write", peer, errno(call, syscall.EMSGSIZE))
	}
	return nil
}

// refusalByPeer is refusal for a datagram to the peer of a connected socket.
func (c *PacketConn) refusalByPeer(call string, n int) error {
	peer := c.RemoteAddr()
	switch {
	case c.out.check() != nil: // that error has priority
		return nil
	case peer == nil:
		return wrapError(c.inner, "write", nil, errno(call, syscall.EDESTADDRREQ))
	case isTooLarge(n, peer):
		return wrapError(c.inner, "write", peer, errno(call, syscall.EMSGSIZE))
	}
	return nil
}

// isTooLarge reports whether a datagram of n bytes exceeds the maximum for the peer.
func isTooLarge(n int, peer net.Addr) bool {
	if _, ok := peer.(*net.UDPAddr); !ok {
		return false
	}
	return n > maxIPv6Datagram || n > maxIPv4Datagram && isIPv4(peer)
}

func isIPv4(addr net.Addr) bool {
	udp, ok := addr.(*net.UDPAddr)
	return ok && udp.IP.To4() != nil
}

// keep copies an address, as the user may change it after the call.
func keep(peer net.Addr) net.Addr {
	if udp, ok := peer.(*net.UDPAddr); ok && udp != nil {
		kept := *udp
		kept.IP = append(net.IP(nil), udp.IP...)
		return &kept
	}
	return peer
}
