//go:build go1.26

package quic

import "github.com/slowpoetry/slowpoetry/programs/internal/scenario"

// same runs a simulation twice, and compares everything.
var same = scenario.Same
