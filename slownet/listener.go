package slownet

import "net"

// A Listener is a net.Listener whose connections travel over slow links, each
// over one of its own.
type Listener struct {
	net.Listener
	config Config
}

// NewListener wraps a listener: the connections that it accepts are wrapped as
// by [NewConn]. It panics on an invalid link; see [Link.Validate].
func NewListener(inner net.Listener, config Config) *Listener {
	config.Write.mustBeValid()
	return &Listener{Listener: inner, config: config}
}

// Accept waits for the next connection and returns it as a [*Conn].
func (l *Listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return NewConn(inner, l.config), nil
}
