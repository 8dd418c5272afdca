package simtest_test

import (
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// unlimited makes a test run over ideal streams, whose times are easy to predict.
var unlimited = netem.TCP{Congestion: netem.Unlimited}

// ideal is the Config of a simulation over ideal streams.
var ideal = simtest.Config{TCP: unlimited}
