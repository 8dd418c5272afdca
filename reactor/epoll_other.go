//go:build !linux

package reactor

// newSocket returns nil: on this system sockets are read by a pump.
func (r *Reactor) newSocket(*Conn) source { return nil }
