package proxy

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A proxy cannot be its own upstream, by whatever name.
func TestNoProxyOfItself(t *testing.T) {
	own := "127.0.0.1" // or another address of this machine, if it has one
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil && !network.IP.IsLoopback() {
			own = network.IP.String()
		}
	}
	for _, c := range []struct {
		listen, upstream string
		loops            bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "localhost:80", true},
		{"localhost:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:http", true},
		{"127.0.0.1:80", ":80", true},
		{"127.0.0.1:80", "0.0.0.0:80", true},
		{":80", "localhost:80", true},
		{":80", own + ":80", true},
		{"0.0.0.0:80", own + ":80", true},
		{"[::]:80", "[::1]:80", true},
		{"[::]:80", "127.0.0.1:80", true},
		{"[::1]:80", "[::1]:80", true},
		{own + ":80", own + ":80", true},
		{"db:80", "db:80", true},
		{"127.0.0.1:80", "LocalHost.:80", true},
		{"127.0.0.1:80", "web.localhost:80", true},
		{"udp:127.0.0.1:53", "udp:localhost:53", true},
		{"unix:/tmp/a", "unix:/tmp//a", true},

		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:80", "[::1]:80", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"0.0.0.0:80", "[::1]:80", false},
		{":80", "192.0.2.1:80", false},
		{":80", "db:80", false},
		{"unix:/tmp/a", "unix:/tmp/b", false},
		{"127.0.0.1:80", "unix:127.0.0.1:80", false},
	} {
		_, err := newProxy(&Server{}, Config{Name: "p", Listen: c.listen, Upstream: c.upstream})
		if !c.loops {
			assert.NoError(t, err, "%s -> %s", c.listen, c.upstream)
			continue
		}
		assert.ErrorContains(t, err, "would connect to itself", "%s -> %s", c.listen, c.upstream)
	}
}
