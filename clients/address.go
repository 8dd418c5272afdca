package clients

import "github.com/slowpoetry/slowpoetry/internal/address"

// DefaultHost is the host of an address that names none.
const DefaultHost = address.DefaultHost

// ParseAddress reads a server's address as a person types it, "port",
// "host:port" or "[ipv6]:port", and returns it with a host, as "host:port". The
// error says what is wrong and what is wanted.
func ParseAddress(s string) (string, error) { return address.Parse(s, 1) }
