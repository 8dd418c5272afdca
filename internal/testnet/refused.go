package testnet

import "net"

// Refused returns a loopback address on which nothing listens. It is the local address of
// a connection, so the system gives it to no listener until release is called.
func Refused() (address *net.TCPAddr, release func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	conn, err := dialer.Dial("tcp", listener.Addr().String())
	if err != nil {
		_ = listener.Close()
		return nil, nil, err
	}
	release = func() {
		_ = conn.Close()
		_ = listener.Close()
	}
	return conn.LocalAddr().(*net.TCPAddr), release, nil
}
