//go:build !go1.26

package simtest

import (
	"crypto/fips140"
	"testing"
)

// cryptoSettings are for GODEBUG.
const cryptoSettings = ""

// seedCrypto does nothing: seeding the random numbers that the crypto packages draw
// internally requires Go 1.26.
func seedCrypto(*testing.T, uint64) (ok bool) { return false }

// adviceOnTLS is for TLS bytes that differ.
const adviceOnTLS = "The bytes are TLS: with Go 1.25 the keys come from the system, so the bytes differ in every run. With Go 1.26 the seed decides them."

// mayReplaceReader reports whether crypto/rand.Reader may be replaced. In FIPS
// 140 mode the crypto packages refuse any other reader.
func mayReplaceReader() bool { return !fips140.Enabled() }
