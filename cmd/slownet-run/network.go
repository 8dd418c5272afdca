package main

import "net/netip"

// The network of the device. Its addresses are in blocks reserved for documentation (RFC
// 5737, RFC 3849). No real network uses these, so they hide no real addresses.
var (
	commandAddress  = netip.MustParsePrefix("198.51.100.100/24")
	gatewayAddress  = netip.MustParseAddr("198.51.100.1") // answers pings and resolves names
	hostAddress     = netip.MustParseAddr("198.51.100.2") // is this machine's loopback
	commandAddress6 = netip.MustParsePrefix("2001:db8:6f::100/64")
	gatewayAddress6 = netip.MustParseAddr("2001:db8:6f::1")
)

// The names of two addresses.
const (
	hostName    = "host.slownet"
	gatewayName = "gateway.slownet"
)
