//go:build !go1.26

package quic

import "github.com/slowpoetry/slowpoetry/programs/internal/scenario"

// same runs a simulation twice, and compares what can be compared: not the bytes,
// since before Go 1.26 the seed does not decide keys.
var same = scenario.Alike
