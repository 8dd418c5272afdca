package main

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// udpIdle is the time after which a flow without datagrams ends. RFC 4787 requires at least
// two minutes, and recommends five.
const udpIdle = 5 * time.Minute

// forwardUDP forwards a flow of datagrams, identified by two addresses with ports, over a
// separate socket. It reports whether a port accepts the datagrams.
func (e *ends) forwardUDP(r *udp.ForwarderRequest) bool {
	id := r.ID()
	to := addrPortOf(id.LocalAddress, id.LocalPort)
	if !to.Addr().IsGlobalUnicast() {
		return true // broadcasts and multicasts end here
	}
	isName := to.Port() == 53 && (to.Addr() == gatewayAddress || to.Addr() == gatewayAddress6)
	addresses, ok := dialed(to.Addr())
	if !ok && !isName {
		return false
	}
	var outer *net.UDPConn
	if !isName {
		var err error
		outer, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addresses[0], to.Port())))
		if err != nil {
			return false
		}
	}
	var queue waiter.Queue
	endpoint, err := r.CreateEndpoint(&queue)
	if err != nil {
		if outer != nil {
			_ = outer.Close()
		}
		return true
	}
	inner := gonet.NewUDPConn(&queue, endpoint)
	if isName {
		go e.names.serveUDP(inner)
		return true
	}
	from := addrPortOf(id.RemoteAddress, id.RemotePort)
	f := &udpFlow{inner: inner, outer: outer, refused: func() { e.reply(portUnreachable(from, to)) }}
	f.wakeUp()
	go f.carry(outer, inner)
	go f.carry(inner, outer)
	return true
}

// A udpFlow forwards the datagrams between two addresses with ports.
type udpFlow struct {
	inner   *gonet.UDPConn
	outer   *net.UDPConn
	refused func() // tells the command that the port is closed
}

// wakeUp restarts the idle time of the flow.
func (f *udpFlow) wakeUp() {
	until := time.Now().Add(udpIdle)
	_ = f.inner.SetReadDeadline(until)
	_ = f.outer.SetReadDeadline(until)
}

// carry copies datagrams in one direction until the flow has been idle for udpIdle, or ends.
func (f *udpFlow) carry(to, from net.Conn) {
	defer f.inner.Close()
	defer f.outer.Close()
	datagram := make([]byte, 1<<16)
	for {
		n, err := from.Read(datagram)
		switch {
		case errors.Is(err, unix.ECONNREFUSED):
			f.refused()
			continue
		case err != nil:
			return
		}
		f.wakeUp()
		if _, err := to.Write(datagram[:n]); errors.Is(err, net.ErrClosed) {
			return
		} else if errors.Is(err, unix.ECONNREFUSED) {
			f.refused() // caused by an earlier datagram
			_, _ = to.Write(datagram[:n])
		}
	}
}
