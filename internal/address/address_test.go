package address_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/address"
)

// What a client may dial and what a server may listen on differ in port 0 alone.
// The other cases are those of clients.ParseAddress.
func TestParsePortZero(t *testing.T) {
	for s, want := range map[string]string{"0": "127.0.0.1:0", ":0": "127.0.0.1:0", "localhost:0": "localhost:0", "[::]:9100": "[::]:9100"} {
		got, err := address.Parse(s, 0)
		require.NoError(t, err, s)
		assert.Equal(t, want, got)
	}
	_, err := address.Parse("65536", 0)
	assert.EqualError(t, err, `address "65536": port 65536 is out of range: want 0 to 65535`)
	_, err = address.Parse("http", 0)
	assert.EqualError(t, err, `address "http": port "http" is not a number: want 0 to 65535`)
	_, err = address.Parse("localhost:0", 1)
	assert.EqualError(t, err, `address "localhost:0": port 0 is out of range: want 1 to 65535`)
}
