//go:build !go1.26

package simtest

import "testing"

// seedCrypto would have the process's cryptographic randomness come from the
// seed. That takes Go 1.26.
func seedCrypto(*testing.T, uint64) (ok bool) { return false }
