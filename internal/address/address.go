// Package address parses addresses as users type them.
package address

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// DefaultHost is the host of an address without one.
const DefaultHost = "127.0.0.1"

// Parse parses an address, "port", "host:port" or "[ipv6]:port", and returns it
// with a host, as "host:port". A port must be from minPort, which is 0 or 1, to
// 65535. The error says what is wrong and what is expected.
func Parse(s string, minPort int) (string, error) {
	host, port := "", s
	if strings.Contains(s, ":") {
		var err error
		host, port, err = net.SplitHostPort(s)
		if err != nil {
			return "", fmt.Errorf("address %q: want PORT, HOST:PORT or [IPV6]:PORT", s)
		}
	}
	if strings.HasPrefix(s, "[]") {
		host = "[]"
	}
	if host != "" && !isHost(host) {
		return "", fmt.Errorf("address %q: %q is not a host: want a name or an IP address", s, host)
	}
	number, err := strconv.ParseUint(port, 10, 64)
	switch {
	case port == "":
		return "", fmt.Errorf("address %q: the port is missing: want PORT or HOST:PORT, such as 10000", s)
	case isHostAlone(s):
		return "", fmt.Errorf("address %q: the port is missing: want PORT or HOST:PORT, such as %s:10000", s, s)
	case err != nil && strings.Trim(port, "0123456789") != "":
		return "", fmt.Errorf("address %q: port %q is not a number: want %d to 65535", s, port, minPort)
	case err != nil || number < uint64(minPort) || number > 65535:
		return "", fmt.Errorf("address %q: port %s is out of range: want %d to 65535", s, port, minPort)
	}
	if host == "" {
		host = DefaultHost
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

// isHostAlone reports whether s is a host without a port: a name, or an IPv4 address. What
// begins with a digit and has no dot is rather a port.
func isHostAlone(s string) bool {
	return isHost(s) && (strings.Contains(s, ".") || strings.IndexFunc(s, unicode.IsLetter) == 0)
}

// isHost reports whether s can be a host: an IP address, or a name of letters,
// digits, dots, hyphens and underscores.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_", r)
	})
}
