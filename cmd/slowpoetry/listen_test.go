package main

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/cli"
)

func TestParseIface(t *testing.T) {
	for iface, want := range map[string]string{
		"localhost": "localhost", "127.0.0.1": "127.0.0.1", "::1": "::1", "[::1]": "::1", "::": "::", "fe80::1%lo": "fe80::1%lo", "poet.example": "poet.example",
	} {
		host, err := parseIface(iface)
		require.NoError(t, err, iface)
		assert.Equal(t, want, host)
	}
	for iface, want := range map[string]string{
		"":                 "--iface: the address is missing; 0.0.0.0 or :: means all of this machine's addresses",
		"[]":               "--iface: the address is missing; 0.0.0.0 or :: means all of this machine's addresses",
		"127.0.0.1:80":     "--iface 127.0.0.1:80: want an address without a port: --iface 127.0.0.1 --port 80",
		"[::1]:80":         "--iface [::1]:80: want an address without a port: --iface ::1 --port 80",
		"localhost:80":     "--iface localhost:80: want an address without a port: --iface localhost --port 80",
		":80":              "--iface :80: want an address without a port: --iface localhost --port 80",
		"http://localhost": "--iface http://localhost: want an IP address of this machine, or its name",
		"10.0.0.0/8":       "--iface 10.0.0.0/8: want an IP address of this machine, or its name",
		"two words":        "--iface two words: want an IP address of this machine, or its name",
	} {
		_, err := parseIface(iface)
		assert.EqualError(t, err, want)
		var usage *cli.UsageError
		assert.ErrorAs(t, err, &usage)
	}
}

func TestAddressesOf(t *testing.T) {
	assert.Empty(t, addressesOf("no-such-interface"))
	all, err := net.Interfaces()
	require.NoError(t, err)
	for _, iface := range all {
		addresses, err := iface.Addrs()
		require.NoError(t, err)
		for _, address := range addresses {
			assert.Contains(t, addressesOf(iface.Name), address.(*net.IPNet).IP.String())
		}
	}
}
