package simtest

import (
	"net"
	"net/netip"
	"sync/atomic"
)

// An address is the address of one end of a connection. Its net.Addr is created when it
// is first requested, and belongs to the user of the connection: the simulation itself
// uses the AddrPort.
type address struct {
	netip.AddrPort // does not change once the connection has a user
	shown          atomic.Pointer[net.TCPAddr]
}

// addr returns the address as a net.Addr, always the same one.
func (a *address) addr() net.Addr {
	if shown := a.shown.Load(); shown != nil {
		return shown
	}
	made := &struct { // in one allocation
		net.TCPAddr
		ip [16]byte
	}{TCPAddr: net.TCPAddr{Port: int(a.Port()), Zone: a.Addr().Zone()}}
	if ip := a.Addr(); ip.Is4() {
		v4 := ip.As4()
		made.IP = made.ip[:copy(made.ip[:4], v4[:]):4]
	} else {
		made.ip = ip.As16()
		made.IP = made.ip[:]
	}
	if !a.shown.CompareAndSwap(nil, &made.TCPAddr) {
		return a.shown.Load()
	}
	return &made.TCPAddr
}
