package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Pings to the outside are forwarded over ping sockets, if the host allows them, with
// both versions of IP.
func TestPingsToTheOutside(t *testing.T) {
	t.Parallel()
	needs(t, "ping", "iputils-ping")
	if os.Geteuid() != 0 {
		t.Skip("creating another network for the host needs root")
	}
	asEach(t, func(t *testing.T, as user) {
		for _, address := range []netip.Addr{ownAddress.Addr(), ownAddress6.Addr()} {
			r := finish(t, commandWith(as, deviceForAll, ownNetwork, "--latency", "10ms", "--", "ping", "-c", "3", "-i", "0.1", "-w", "10", "-s", "1000", address.String()))
			assert.Contains(t, r.stdout, " 3 received", r.stderr)
			assert.Regexp(t, `rtt min/avg/max/mdev = [2-9]\d\d?\.`, r.stdout)
			assert.Empty(t, r.stderr)
		}
		r := finish(t, commandWith(as, deviceForAll, ownNetwork, "--", testProgram, "inside", "refused", fmt.Sprintf("[%v]:1", ownAddress6.Addr()), fmt.Sprintf("%v:1", ownAddress.Addr())))
		assert.Equal(t, "tcp true udp true tcp true udp true ", r.stdout, r.stderr)
	})
}

// The packets of a run inside another run take both paths.
func TestPathsInPaths(t *testing.T) {
	t.Parallel()
	needs(t, "ping", "iputils-ping")
	if os.Geteuid() != 0 {
		t.Skip("creating another network for the host needs root")
	}
	asEach(t, func(t *testing.T, as user) {
		r := finish(t, commandWith(as, deviceForAll, ownNetwork, "--latency", "20ms", "--", program, "--latency", "30ms", "--",
			"ping", "-c", "3", "-i", "0.1", "-w", "10", ownAddress.Addr().String()))
		assert.Contains(t, r.stdout, " 3 received", r.stderr)
		assert.Regexp(t, `rtt min/avg/max/mdev = [1-9]\d\d\.`, r.stdout)
	})
}

// Root's pings use raw sockets if the host allows no ping sockets; other users' pings
// are refused, with advice.
func TestPingsThatAreNotAllowed(t *testing.T) {
	t.Parallel()
	needs(t, "ping", "iputils-ping")
	if setting := system("/").setting("net.ipv4.ping_group_range"); setting != "1 0" {
		t.Skipf("net.ipv4.ping_group_range is %q here: it is allowed", setting)
	}
	address := addressOfHost(t)
	asEach(t, func(t *testing.T, as user) {
		r := runProgram(t, as, "--", "ping", "-c", "2", "-i", "0.1", "-w", "10", address)
		if as == self && os.Geteuid() == 0 {
			assert.Contains(t, r.stdout, " 2 received", r.stderr)
			return
		}
		assert.Contains(t, r.stdout, "Packet filtered")
		assert.Regexp(t, `^slownet run: pings to the outside do not work \(only to gateway.slownet\): permission denied: group \d+ may not ping, as net.ipv4.ping_group_range is "1 0"; allow it with: sysctl -w net.ipv4.ping_group_range="\d+ \d+"\n$`, r.stderr)
	})
}

// addressOfHost returns an address of this machine that is not a loopback one.
func addressOfHost(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has only loopback addresses")
	return ""
}
