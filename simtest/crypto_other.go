//go:build !go1.26

package simtest

import (
	"crypto/fips140"
	"testing"
)

// cryptoSettings are for GODEBUG.
const cryptoSettings = ""

// seedCrypto would have what the crypto packages draw inside themselves come from
// the seed. That takes Go 1.26.
func seedCrypto(*testing.T, uint64) (ok bool) { return false }

// mayReplaceReader tells whether crypto/rand.Reader may be replaced. Where keys
// must be made by the book, the crypto packages refuse any other reader.
func mayReplaceReader() bool { return !fips140.Enabled() }
