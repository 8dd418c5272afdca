//go:build ignore

// This file becomes part of package net in the copy. There, DialContext and
// Listen have been renamed to the names called here.

package net

import (
	"context"
	"io"
	"os"
)

// HookConn and HookListener, if not nil, wrap the results of Dial and Listen.
var (
	HookConn     func(Conn) Conn
	HookListener func(Listener) Listener
)

// HookedTCPConn and HookedTCPListener replace *TCPConn and *TCPListener in
// tests that assert these types.
type (
	HookedTCPConn interface {
		Conn
		io.ReaderFrom
		io.WriterTo
		CloseRead() error
		CloseWrite() error
	}
	HookedTCPListener interface {
		Listener
		File() (*os.File, error)
	}
)

// DialContext dials as before, and passes the connection to the hook.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (Conn, error) {
	c, err := d.plainDialContext(ctx, network, address)
	if err == nil && HookConn != nil {
		c = HookConn(c)
	}
	return c, err
}

// Listen listens as before, and passes the listener to the hook.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (Listener, error) {
	l, err := lc.plainListen(ctx, network, address)
	if err == nil && HookListener != nil {
		l = HookListener(l)
	}
	return l, err
}
