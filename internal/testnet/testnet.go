// Package testnet runs a test on two networks: loopback sockets in real time,
// and a simulation.
package testnet

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// A Net is a network with two hosts, a server and a client.
type Net struct {
	// Simulated reports whether this is the simulation, the only network on
	// which a test may assert exact times.
	Simulated bool

	// Dial dials from the client.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	listen func(t *testing.T) (listener net.Listener, address string)
}

// Each runs a test on both networks.
func Each(t *testing.T, test func(t *testing.T, n *Net)) {
	t.Run("loopback", func(t *testing.T) {
		test(t, &Net{
			Dial: new(net.Dialer).DialContext,
			listen: func(t *testing.T) (net.Listener, string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				return l, l.Addr().String()
			},
		})
	})
	t.Run("simulated", func(t *testing.T) {
		simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
			test(t, &Net{
				Simulated: true,
				Dial:      sim.Host("client").DialContext,
				listen: func(t *testing.T) (net.Listener, string) {
					l, err := sim.Host("server").Listen("tcp", ":0")
					require.NoError(t, err)
					_, port, err := net.SplitHostPort(l.Addr().String())
					require.NoError(t, err)
					return l, net.JoinHostPort("server", port)
				},
			})
		})
	})
}

// Listen listens on a free TCP port of the server. The listener is closed when
// the test ends.
func (n *Net) Listen(t *testing.T) (listener net.Listener, address string) {
	t.Helper()
	listener, address = n.listen(t)
	t.Cleanup(func() { _ = listener.Close() })
	return listener, address
}

// MustDial dials the address from the client, and stops the test on an error.
// The connection is closed when the test ends.
func (n *Net) MustDial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := n.Dial(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// RefusedAddress returns an address on which nothing listens.
func (n *Net) RefusedAddress(t *testing.T) string {
	t.Helper()
	if !n.Simulated {
		address, release, err := Refused()
		require.NoError(t, err)
		t.Cleanup(release)
		return address.String()
	}
	listener, address := n.listen(t)
	require.NoError(t, listener.Close())
	return address
}

// AssertTook asserts that took equals want in simulated time, and is at least
// want in real time.
func (n *Net) AssertTook(t *testing.T, want, took time.Duration) {
	t.Helper()
	if n.Simulated && took != want || took < want {
		t.Errorf("took %v, want %v", took, want)
	}
}
