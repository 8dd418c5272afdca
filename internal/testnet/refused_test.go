package testnet_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/testnet"
)

// Nothing else gets the address: neither by asking for it, nor by chance.
func TestRefused(t *testing.T) {
	address, release, err := testnet.Refused()
	require.NoError(t, err)
	defer release()
	_, err = net.Dial("tcp", address.String())
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	_, err = net.Listen("tcp", address.String())
	assert.ErrorContains(t, err, "address")
}
