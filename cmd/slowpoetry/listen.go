package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// parseIface returns the host of an --iface, without the brackets of an IPv6
// address, or a usage error.
func parseIface(iface string) (string, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(iface, "["), "]")
	if host == "" {
		return "", cli.Usagef("--iface: the address is missing; 0.0.0.0 or :: means all of this machine's addresses")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host, nil
	}
	if host, port, err := net.SplitHostPort(iface); err == nil && strings.Trim(port, "0123456789") == "" {
		return "", cli.Usagef("--iface %s: want an address without a port: --iface %s --port %s", iface, orLocalhost(host), port)
	}
	if strings.ContainsAny(host, ":/ ") {
		return "", cli.Usagef("--iface %s: want an IP address of this machine, or its name", iface)
	}
	return host, nil
}

// orLocalhost returns the host, or localhost if it is empty.
func orLocalhost(host string) string {
	if host == "" {
		return "localhost"
	}
	return host
}

// listen listens, or returns an error that says how to fix it.
func listen(host, port string) (net.Listener, error) {
	address := net.JoinHostPort(host, port)
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: the port is in use; choose another --port, or leave it out for any free one", address)
	}
	if addresses := addressesOf(host); addresses != "" {
		return nil, fmt.Errorf("cannot listen on %s: it is the name of an interface; --iface needs one of its addresses: %s", host, addresses)
	}
	return nil, fmt.Errorf("cannot listen on %s: %w; choose another --iface or --port", address, err)
}

// addressesOf lists the addresses of the network interface of that name, if
// there is one.
func addressesOf(name string) string {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return ""
	}
	addresses, _ := iface.Addrs()
	var list []string
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			list = append(list, prefix.Addr().String())
		}
	}
	return strings.Join(list, " or ")
}
