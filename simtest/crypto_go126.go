//go:build go1.26

package simtest

import (
	"crypto/fips140"
	"crypto/rand"
	"testing"
	"testing/cryptotest"
)

// seedCrypto has the process's cryptographic randomness come from the seed until
// t ends, so that TLS handshakes and keys repeat. It goes without, and returns
// false, where that cannot be: in a program that is no test, in a parallel test
// or a subtest of one, and with version 1.0.0 of the Go Cryptographic Module.
//
// t is the bubble's own test, and no other: it may not be parallel anyway. The
// test around it still can call t.Parallel afterwards.
//
// There is one stream of randomness for all. Goroutines that draw from it at one
// instant do so in the order of the scheduler.
func seedCrypto(t *testing.T, seed uint64) (ok bool) {
	if !testing.Testing() || fips140.Version() == "v1.0.0" {
		return false
	}
	defer func() {
		// All that it panics with are reasons why it cannot be.
		ok = recover() == nil
	}()
	before := rand.Reader
	cryptotest.SetGlobalRandom(t, seed)
	if before == systemRandom {
		// The system's reader has the seeded stream now too. And it is the
		// better one: modules that ask for less than Go 1.26 run with
		// GODEBUG=cryptocustomrand=1, and then a reader that is not the system's
		// loses a byte now and then, at random, when a key is made.
		rand.Reader = before
	}
	return true
}

// systemRandom is the randomness of a process in which nobody has replaced it.
var systemRandom = rand.Reader
