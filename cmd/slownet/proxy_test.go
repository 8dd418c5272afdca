package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/slownet/proxy"
)

// The help names the form of each address in its examples, with the host that it says.
func TestProxyHelpNamesAddresses(t *testing.T) {
	var out strings.Builder
	_, err := parseProxy([]string{"--help"}, &out)
	require.ErrorIs(t, err, cli.ErrAnswered)
	help := strings.Join(strings.Fields(out.String()), " ")
	assert.Contains(t, help, "An address is PORT, :PORT, HOST:PORT, udp:HOST:PORT or unix:PATH; the default HOST is 127.0.0.1.")
	for _, form := range []string{"8080", ":8080", "127.0.0.1:8080"} {
		address, err := proxy.ParseAddress(form, true)
		require.NoError(t, err, form)
		assert.Equal(t, "127.0.0.1:8080", address, form)
	}
}
