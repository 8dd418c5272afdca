package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// dialTimeout is the maximum time for connecting to the outside. Linux, too, gives up
// after about two minutes.
const dialTimeout = 127 * time.Second

// forwardTCP forwards a connection. It dials the destination from a socket of the host,
// and accepts the connection if that succeeds, leaves it unanswered if the dial times out,
// and refuses it if the dial fails otherwise.
func (e *ends) forwardTCP(r *tcp.ForwarderRequest) {
	id := r.ID()
	to := addrPortOf(id.LocalAddress, id.LocalPort)
	isName := to.Port() == 53 && (to.Addr() == gatewayAddress || to.Addr() == gatewayAddress6)
	var outer *net.TCPConn
	if !isName {
		var err error
		if outer, err = dialTCP(to); err != nil {
			r.Complete(!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, unix.ETIMEDOUT))
			return
		}
	}
	var queue waiter.Queue
	endpoint, err := r.CreateEndpoint(&queue)
	if err != nil {
		r.Complete(true)
		if outer != nil {
			abortTCP(outer)
		}
		return
	}
	r.Complete(false)
	endpoint.SocketOptions().SetDelayOption(false) // no Nagle algorithm: the peer's data is forwarded at once
	inner := gonet.NewTCPConn(&queue, endpoint)
	if isName {
		e.names.serveTCP(inner)
		return
	}
	join(inner, endpoint, outer)
}

// dialTCP connects a socket of the host. If all addresses fail, it returns the first error.
func dialTCP(to netip.AddrPort) (*net.TCPConn, error) {
	addresses, ok := dialed(to.Addr())
	if !ok {
		return nil, unix.ECONNREFUSED
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	var dialer net.Dialer
	var first error
	for _, a := range addresses {
		conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, to.Port()).String())
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// join copies both directions of a connection until both have ended. It passes on their
// ends: a close closes that direction, and a reset resets the connection.
func join(inner *gonet.TCPConn, endpoint tcpip.Endpoint, outer *net.TCPConn) {
	failed := make(chan bool, 2)
	carry := func(to interface {
		io.Writer
		CloseWrite() error
	}, from io.Reader) {
		_, err := io.Copy(to, from)
		if err == nil {
			err = to.CloseWrite()
		}
		failed <- err != nil
	}
	go carry(outer, inner)
	go carry(inner, outer)
	for range 2 {
		if <-failed {
			endpoint.Abort() // this ends the other direction, too
			abortTCP(outer)
		}
	}
	_ = inner.Close()
	_ = outer.Close()
}

// abortTCP resets a connection.
func abortTCP(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
