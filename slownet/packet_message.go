package slownet

import "net"

// A message is a caller's buffer for a datagram, and the datagram read into it.
type message struct {
	data []byte
	oob  []byte // for control messages

	n, oobn int
	flags   int
	peer    net.Addr
}

// receive puts a datagram into the message. The part that does not fit is lost; the
// flags say so, as the operating system's do.
func (m *message) receive(d datagram) {
	fit, all := fitting(d.oob, len(m.oob))
	m.n, m.oobn = copy(m.data, d.data), copy(m.oob, fit)
	m.flags, m.peer = d.flags, d.peer
	if m.n < len(d.data) {
		m.flags |= truncatedData
	}
	if !all {
		m.flags |= truncatedControl
	}
}

// udpPeer returns the peer as a *net.UDPAddr, or nil if it is none.
func (m *message) udpPeer() *net.UDPAddr {
	peer, _ := m.peer.(*net.UDPAddr)
	return peer
}

// messageReader and messageWriter are a UDP socket's methods for datagrams with
// control messages.
type (
	messageReader interface {
		ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	}
	messageWriter interface {
		WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
	}
)

// receiveFrom takes a datagram from a connection, with its control messages if
// oob is not empty and the connection supports them.
func receiveFrom(inner net.PacketConn, p, oob []byte) (datagram, error) {
	udp, ok := inner.(messageReader)
	if !ok || len(oob) == 0 {
		n, peer, err := inner.ReadFrom(p)
		if err != nil {
			return datagram{}, err
		}
		return datagram{data: p[:n], peer: peer}, nil
	}
	n, oobn, flags, peer, err := udp.ReadMsgUDP(p, oob)
	if err != nil {
		return datagram{}, err
	}
	return datagram{data: p[:n], oob: oob[:oobn], flags: flags, peer: addrOf(peer)}, nil
}

// send hands a datagram to the inner connection, for the given address or,
// without one, for the connected peer.
func (c *PacketConn) send(p, oob []byte, peer net.Addr) (err error) {
	switch {
	case len(oob) > 0:
		to, _ := peer.(*net.UDPAddr)
		_, _, err = c.inner.(messageWriter).WriteMsgUDP(p, oob, to)
	case peer == nil:
		_, err = c.inner.(net.Conn).Write(p)
	default:
		_, err = c.inner.WriteTo(p, peer)
	}
	return err
}
