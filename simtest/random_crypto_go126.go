//go:build go1.26

package simtest

import (
	"crypto/fips140"
	"testing"
	"testing/cryptotest"
)

// cryptoSettings are for GODEBUG. Modules for versions before Go 1.26 run with
// cryptocustomrand=1: then key generation from a custom reader randomly draws an extra
// byte. With 0 it draws from the crypto packages' own stream.
const cryptoSettings = "cryptocustomrand=0"

// seedCrypto seeds the random numbers that the crypto packages draw internally until t
// ends, so that TLS handshakes and keys are reproducible. It does nothing and returns
// false where that is impossible: with version 1.0.0 of the Go Cryptographic Module.
//
// All goroutines share one stream. Those that draw from it at one instant do so in the
// scheduler's order.
func seedCrypto(t *testing.T, seed uint64) (ok bool) {
	if fips140.Version() == "v1.0.0" {
		return false
	}
	cryptotest.SetGlobalRandom(t, seed)
	return true
}

// adviceOnTLS is for TLS bytes that differ.
const adviceOnTLS = "The bytes are TLS: handshakes that begin at one instant draw their keys from one stream. Let them begin at different instants."

// mayReplaceReader reports whether crypto/rand.Reader may be replaced.
func mayReplaceReader() bool { return true }
