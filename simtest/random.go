package simtest

import (
	mathrand "math/rand"
	mathrand2 "math/rand/v2"
	"os"
	"testing"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// seedProcess seeds the whole process's random numbers until t ends: the numbers of
// math/rand's functions and, in tests, of crypto/rand.Reader and the crypto packages.
// In a parallel test, or a subtest of one, it does nothing and returns false, because
// tests that run at the same time draw from them too.
//
// t must be the bubble's own test, which cannot be parallel anyway. The test around it
// can still call t.Parallel afterwards.
func seedProcess(t *testing.T, seed uint64) (ok bool) {
	// Programs are not tests: they may generate secret keys outside the simulation.
	settings := ""
	if testing.Testing() {
		settings = cryptoSettings
	}
	if !setGODEBUG(t, settings) {
		return false
	}
	seedMath(t, mix64.Mix(seed, 3))
	if testing.Testing() {
		seedCrypto(t, seed)
		seedReader(t, seed)
	}
	return true
}

// setGODEBUG adds settings to the environment variable GODEBUG, which the runtime
// rereads when it changes, until t ends. It returns false in a parallel test.
func setGODEBUG(t *testing.T, settings string) (ok bool) {
	defer func() {
		// Setenv panics only in a parallel test.
		ok = recover() == nil
	}()
	t.Setenv("GODEBUG", withGODEBUG(settings))
	return true
}

// withGODEBUG returns the value of GODEBUG with settings added. The last one wins.
func withGODEBUG(settings string) string {
	switch present := os.Getenv("GODEBUG"); {
	case present == "":
		return settings
	case settings == "":
		return present
	default:
		return present + "," + settings
	}
}

// seedMath seeds the global functions of math/rand, which all goroutines share, until t
// ends; then they use the system's randomness again. Those of math/rand/v2 cannot be
// seeded.
func seedMath(t *testing.T, seed uint64) {
	reseedMath(int64(seed))
	t.Cleanup(func() { reseedMath(mathrand2.Int64()) })
}

// reseedMath seeds the global functions of math/rand. In modules for Go 1.24
// and later, Seed does so only with a GODEBUG setting. The setting is made for this
// call alone, so the program's own calls of Seed are not affected.
func reseedMath(seed int64) {
	before, found := os.LookupEnv("GODEBUG")
	_ = os.Setenv("GODEBUG", withGODEBUG("randseednop=0"))
	//lint:ignore SA1019 no other way leads to the generator that everything shares
	mathrand.Seed(seed)
	if found {
		_ = os.Setenv("GODEBUG", before)
	} else {
		_ = os.Unsetenv("GODEBUG")
	}
}
