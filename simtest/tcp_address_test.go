package simtest_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A connection always returns the same pointers as its addresses, so that they can be map
// keys. They belong to the caller, who may change them: the network does not use them.
func TestAddressesAreTheCallers(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		for _, conn := range []net.Conn{client, server} {
			assert.Same(t, conn.LocalAddr(), conn.LocalAddr())
			assert.Same(t, conn.RemoteAddr(), conn.RemoteAddr())
			for _, addr := range []net.Addr{conn.LocalAddr(), conn.RemoteAddr()} {
				tcp := addr.(*net.TCPAddr)
				tcp.IP[len(tcp.IP)-1], tcp.Port = 99, 99
				_ = append(tcp.IP, 1) // must not affect anything else
			}
			assert.Equal(t, "10.0.0.99:99", conn.LocalAddr().String())
		}
		sim.Blackhole("b:1") // finds the connection by its port
		_, err := client.Write([]byte("lost"))
		assert.NoError(t, err)
		time.Sleep(time.Second)
		assert.NoError(t, server.SetReadDeadline(time.Now()))
		_, err = server.Read(make([]byte, 4))
		assert.ErrorContains(t, err, "i/o timeout")
		sim.Allow("b:1")
		assert.NoError(t, server.SetReadDeadline(time.Time{}))
		_, err = server.Read(make([]byte, 4))
		assert.NoError(t, err)
		assert.NoError(t, client.Close())
		assert.Equal(t, "10.0.0.99:99", client.LocalAddr().String())
	})
}

// An address has the same form as the net package's.
func TestAddressForms(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		for _, test := range []struct{ network, address string }{
			{"tcp4", ":1"}, {"tcp6", ":2"}, {"tcp", ":3"},
		} {
			listener, err := b.Listen(test.network, test.address)
			assert.NoError(t, err)
			client, err := a.Dial(test.network, "b"+test.address)
			assert.NoError(t, err)
			server, err := listener.Accept()
			assert.NoError(t, err)
			for _, addr := range []net.Addr{client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr()} {
				assert.Equal(t, net.TCPAddrFromAddrPort(addr.(*net.TCPAddr).AddrPort()), addr)
			}
			assert.Equal(t, test.network == "tcp", netip.MustParseAddr("::ffff:10.0.0.2") == server.LocalAddr().(*net.TCPAddr).AddrPort().Addr())
		}
	})
}
