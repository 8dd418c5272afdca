package slownet

import (
	"errors"
	"net"
	"net/netip"
	"os"
)

// The methods in this file are the remaining ones of a *net.UDPConn. Datagrams
// travel over the links with their control messages. Each method returns an
// error that matches errors.ErrUnsupported where the inner connection has no
// such method.

// ReadFromUDP is ReadFrom with the peer as a *net.UDPAddr.
func (c *PacketConn) ReadFromUDP(p []byte) (n int, peer *net.UDPAddr, err error) {
	if _, ok := c.inner.(interface {
		ReadFromUDP([]byte) (int, *net.UDPAddr, error)
	}); !ok {
		return 0, nil, c.opError("read", nil, errors.ErrUnsupported)
	}
	n, addr, err := c.ReadFrom(p)
	peer, _ = addr.(*net.UDPAddr)
	return n, peer, err
}

// ReadFromUDPAddrPort is ReadFrom with the peer as a netip.AddrPort.
func (c *PacketConn) ReadFromUDPAddrPort(p []byte) (n int, peer netip.AddrPort, err error) {
	inner, ok := c.inner.(interface {
		ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	})
	if !ok {
		return 0, peer, c.opError("read", nil, errors.ErrUnsupported)
	}
	if h := &c.in.half; h.enter() {
		n, peer, err = inner.ReadFromUDPAddrPort(p)
		if err, out := h.exit(err); !out {
			return n, peer, c.opError("read", nil, err)
		}
	}
	n, addr, err := c.ReadFrom(p)
	udp, _ := addr.(*net.UDPAddr)
	return n, udp.AddrPort(), err
}

// ReadMsgUDP is ReadFrom with control messages, which it copies to oob, and
// with the flags of the operating system.
func (c *PacketConn) ReadMsgUDP(p, oob []byte) (n, oobn, flags int, peer *net.UDPAddr, err error) {
	inner, ok := c.inner.(messageReader)
	if !ok {
		return 0, 0, 0, nil, c.opError("read", nil, errors.ErrUnsupported)
	}
	if h := &c.in.half; h.enter() {
		n, oobn, flags, peer, err = inner.ReadMsgUDP(p, oob)
		if err, out := h.exit(err); !out {
			return n, oobn, flags, peer, c.opError("read", nil, err)
		}
	}
	m := [1]message{{data: p, oob: oob}}
	_, err = c.in.read(m[:])
	return m[0].n, m[0].oobn, m[0].flags, m[0].udpPeer(), c.opError("read", nil, err)
}

// ReadMsgUDPAddrPort is ReadMsgUDP with the peer as a netip.AddrPort.
func (c *PacketConn) ReadMsgUDPAddrPort(p, oob []byte) (n, oobn, flags int, peer netip.AddrPort, err error) {
	inner, ok := c.inner.(interface {
		ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error)
	})
	if !ok {
		return 0, 0, 0, peer, c.opError("read", nil, errors.ErrUnsupported)
	}
	if h := &c.in.half; h.enter() {
		n, oobn, flags, peer, err = inner.ReadMsgUDPAddrPort(p, oob)
		if err, out := h.exit(err); !out {
			return n, oobn, flags, peer, c.opError("read", nil, err)
		}
	}
	n, oobn, flags, udp, err := c.ReadMsgUDP(p, oob)
	return n, oobn, flags, udp.AddrPort(), err
}

// WriteToUDP is WriteTo with the peer as a *net.UDPAddr.
func (c *PacketConn) WriteToUDP(p []byte, peer *net.UDPAddr) (int, error) {
	if _, ok := c.inner.(interface {
		WriteToUDP([]byte, *net.UDPAddr) (int, error)
	}); !ok {
		return 0, c.opError("write", addrOf(peer), errors.ErrUnsupported)
	}
	return c.WriteTo(p, peer)
}

// WriteToUDPAddrPort is WriteTo with the peer as a netip.AddrPort.
func (c *PacketConn) WriteToUDPAddrPort(p []byte, peer netip.AddrPort) (int, error) {
	inner, ok := c.inner.(interface {
		WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	})
	if !ok {
		return 0, c.opError("write", addrOf(udpAddr(peer)), errors.ErrUnsupported)
	}
	if h := &c.out.half; h.enter() {
		n, err := inner.WriteToUDPAddrPort(p, peer)
		if err, out := h.exit(err); !out {
			return n, c.opError("write", addrOf(udpAddr(peer)), err)
		}
	}
	return c.WriteTo(p, udpAddr(peer))
}

// WriteMsgUDP is WriteTo with control messages, which are passed to the
// operating system with the datagram. On a connected socket the address is nil.
// An error about a control message is returned by a later call; see
// [PacketConn.WriteTo].
//
// With Linux's UDP_SEGMENT, which sends several datagrams at once, each of them
// travels over the link by itself.
func (c *PacketConn) WriteMsgUDP(p, oob []byte, peer *net.UDPAddr) (n, oobn int, err error) {
	inner, ok := c.inner.(messageWriter)
	if !ok {
		return 0, 0, c.opError("write", addrOf(peer), errors.ErrUnsupported)
	}
	if h := &c.out.half; h.enter() {
		n, oobn, err = inner.WriteMsgUDP(p, oob, peer)
		if err, out := h.exit(err); !out {
			return n, oobn, c.opError("write", addrOf(peer), err)
		}
	}
	d := datagram{data: p, oob: oob, peer: addrOf(peer)}
	if peer == nil && c.RemoteAddr() != nil {
		err = c.refusalByPeer("sendmsg", len(p))
	} else {
		err = c.refusal("sendmsg", len(p), peer)
	}
	if err != nil {
		return 0, 0, err
	}
	if n, err = c.wrote(len(p), d.peer, c.out.write(d)); err != nil {
		return 0, 0, err
	}
	return n, len(oob), nil
}

// WriteMsgUDPAddrPort is WriteMsgUDP with the peer as a netip.AddrPort.
func (c *PacketConn) WriteMsgUDPAddrPort(p, oob []byte, peer netip.AddrPort) (n, oobn int, err error) {
	inner, ok := c.inner.(interface {
		WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error)
	})
	if !ok {
		return 0, 0, c.opError("write", addrOf(udpAddr(peer)), errors.ErrUnsupported)
	}
	// On a connected socket Go 1.25 accepts no address only with WriteMsgUDP.
	if h := &c.out.half; peer.IsValid() && h.enter() {
		n, oobn, err = inner.WriteMsgUDPAddrPort(p, oob, peer)
		if err, out := h.exit(err); !out {
			return n, oobn, c.opError("write", addrOf(udpAddr(peer)), err)
		}
	}
	return c.WriteMsgUDP(p, oob, udpAddr(peer))
}

// udpAddr returns the address as a *net.UDPAddr, or nil for the zero AddrPort.
func udpAddr(addr netip.AddrPort) *net.UDPAddr {
	if !addr.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(addr)
}

// addrOf returns the address as a net.Addr: the nil interface for a nil pointer.
func addrOf(addr *net.UDPAddr) net.Addr {
	if addr == nil {
		return nil
	}
	return addr
}

// File returns a copy of the inner connection's file descriptor. Reads and
// writes on it, or on a connection that net.FilePacketConn makes of it, bypass
// the links. Closing the file does not close the connection, nor the reverse.
func (c *PacketConn) File() (*os.File, error) {
	inner, ok := c.inner.(interface{ File() (*os.File, error) })
	switch {
	case !ok:
		return nil, c.opError("file", nil, errors.ErrUnsupported)
	case c.closed.Load():
		return nil, c.opError("file", nil, net.ErrClosed)
	}
	return inner.File()
}
