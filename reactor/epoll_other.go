//go:build !linux

package reactor

// newSocket returns nil: on this system sockets are read ahead by a goroutine.
func (r *Reactor) newSocket(*Conn) source { return nil }
