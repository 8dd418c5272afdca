package memberlist

import (
	"context"
	"net"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/slowpoetry/slowpoetry/simtest"
)

const port = 7946

// A transport is a memberlist.Transport on a simulated host: datagrams for
// probes and gossip, streams for full states.
type transport struct {
	host     *simtest.Host
	socket   net.PacketConn
	listener net.Listener
	packets  chan *memberlist.Packet
	streams  chan net.Conn
	closed   chan struct{}
}

func newTransport(host *simtest.Host) (*transport, error) {
	socket, err := host.ListenPacket("udp4", ":7946")
	if err != nil {
		return nil, err
	}
	listener, err := host.Listen("tcp4", ":7946")
	if err != nil {
		return nil, err
	}
	t := &transport{
		host: host, socket: socket, listener: listener,
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), closed: make(chan struct{}),
	}
	go t.receive()
	go t.accept()
	return t, nil
}

func (t *transport) receive() {
	buffer := make([]byte, 65536)
	for {
		n, from, err := t.socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), buffer[:n]...), From: from, Timestamp: time.Now()}
		select {
		case t.packets <- p:
		case <-t.closed:
			return
		}
	}
}

func (t *transport) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return
		}
		select {
		case t.streams <- conn:
		case <-t.closed:
			_ = conn.Close()
			return
		}
	}
}

func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IP(t.host.Addr().AsSlice()), port, nil
}

func (t *transport) WriteTo(b []byte, address string) (time.Time, error) {
	to, err := net.ResolveUDPAddr("udp", address) // an address, not a name
	if err != nil {
		return time.Time{}, err
	}
	_, err = t.socket.WriteTo(b, to)
	return time.Now(), err
}

func (t *transport) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return t.host.DialContext(ctx, "tcp", address)
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }
func (t *transport) StreamCh() <-chan net.Conn           { return t.streams }

func (t *transport) Shutdown() error {
	close(t.closed)
	_ = t.listener.Close()
	return t.socket.Close()
}
