package simtest

import (
	"net"
	"net/netip"
	"sync/atomic"
)

// An address is that of an end of a connection. What the net package has for it is
// made when it is first asked for, and is the caller's to keep or to change: the
// simulation itself uses the AddrPort.
type address struct {
	netip.AddrPort // changes before the connection has a user only
	shown          atomic.Pointer[net.TCPAddr]
}

// addr returns the address as the net package has it, always the same.
func (a *address) addr() net.Addr {
	if shown := a.shown.Load(); shown != nil {
		return shown
	}
	made := &struct { // of one piece
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
