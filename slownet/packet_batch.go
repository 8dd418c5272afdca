package slownet

import (
	"errors"
	"net"
	"runtime"

	"golang.org/x/net/ipv4"
)

// ReadBatch reads datagrams with their control messages, as ipv4.PacketConn and
// ipv6.PacketConn do: it waits for a datagram, reads others that have already
// arrived, at most one for each message, and returns their number. The flags must
// be 0. Without this method, libraries such as quic-go would read from the inner
// connection's file descriptor.
func (c *PacketConn) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	switch {
	case flags != 0:
		return 0, c.opError("read", nil, errors.ErrUnsupported)
	case len(ms) == 0:
		return 0, nil
	}
	if h := &c.in.half; h.enter() {
		n, err := readBatch(c.inner, ms)
		if err, out := h.exit(err); !out {
			return n, c.opError("read", nil, err)
		}
	}
	read := make([]message, len(ms))
	for i := range ms {
		read[i] = message{data: gathered(ms[i].Buffers), oob: ms[i].OOB}
	}
	n, err := c.in.read(read)
	for i, m := range read[:n] {
		scatter(ms[i].Buffers, m.data[:m.n])
		ms[i].N, ms[i].NN, ms[i].Flags, ms[i].Addr = m.n, m.oobn, m.flags, m.peer
	}
	return n, c.opError("read", nil, err)
}

// A batchReader reads several datagrams at once.
type batchReader interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
}

// readBatch reads directly from a connection, with one system call if possible.
func readBatch(inner net.PacketConn, ms []ipv4.Message) (int, error) {
	if batch, ok := inner.(batchReader); ok {
		return batch.ReadBatch(ms, 0)
	}
	if udp, ok := inner.(*net.UDPConn); ok && runtime.GOOS == "linux" {
		return ipv4.NewPacketConn(udp).ReadBatch(ms, 0)
	}
	d, err := receiveFrom(inner, gathered(ms[0].Buffers), ms[0].OOB)
	if err != nil {
		return 0, err
	}
	scatter(ms[0].Buffers, d.data)
	ms[0].N, ms[0].NN, ms[0].Flags, ms[0].Addr = len(d.data), len(d.oob), d.flags, d.peer
	return 1, nil
}

// WriteBatch writes datagrams with their control messages, as ipv4.PacketConn
// and ipv6.PacketConn do, and returns the number of datagrams written. It
// returns an error only if it wrote none. The flags must be 0.
func (c *PacketConn) WriteBatch(ms []ipv4.Message, flags int) (int, error) {
	if flags != 0 {
		return 0, c.opError("write", nil, errors.ErrUnsupported)
	}
	for i := range ms {
		m := &ms[i]
		data := gathered(m.Buffers)
		if len(m.Buffers) > 1 {
			data = data[:0]
			for _, b := range m.Buffers {
				data = append(data, b...)
			}
		}
		var err error
		if m.N, m.NN, err = c.writeMessage(data, m.OOB, m.Addr); err != nil {
			if i > 0 {
				err = nil
			}
			return i, err
		}
	}
	return len(ms), nil
}

// writeMessage writes a datagram, with or without control messages, to peer or,
// if peer is nil, to the connected peer.
func (c *PacketConn) writeMessage(p, oob []byte, peer net.Addr) (n, oobn int, err error) {
	switch {
	case len(oob) > 0:
		udp, ok := peer.(*net.UDPAddr)
		if peer != nil && !ok {
			return 0, 0, c.opError("write", peer, errors.ErrUnsupported)
		}
		return c.WriteMsgUDP(p, oob, udp)
	case peer == nil:
		n, err = c.Write(p)
	default:
		n, err = c.WriteTo(p, peer)
	}
	return n, 0, err
}

// gathered returns one buffer of the total size: the given buffer if there is
// only one, otherwise a new one.
func gathered(buffers [][]byte) []byte {
	if len(buffers) == 1 {
		return buffers[0]
	}
	size := 0
	for _, b := range buffers {
		size += len(b)
	}
	return make([]byte, size)
}

// scatter copies data into the buffers in order, unless it is already there.
func scatter(buffers [][]byte, data []byte) {
	if len(buffers) == 1 {
		return
	}
	for _, b := range buffers {
		data = data[copy(b, data):]
	}
}
