//go:build !go1.26

package quic

import "github.com/slowpoetry/slowpoetry/programs/internal/scenario"

// same runs a simulation twice, and compares everything except the bytes, since
// before Go 1.26 the seed does not determine keys.
var same = scenario.Alike
