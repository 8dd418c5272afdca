package simtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
)

// Prefetching makes no difference, not even for the order of events at one instant.
func TestPrefetchingMakesNoDifference(t *testing.T) {
	for number := range tier.Count[uint64](16, 2000) {
		seed, tape := randomTape(number)
		program := decodeFuzzProgram(seed, tape)
		program.tcp, program.far = number%4 < 3, number%2 == 1
		without := eventsOf(t, program)
		restore := simtest.SetPrefetchMinimum(1)
		with := eventsOf(t, program)
		restore()
		require.Equal(t, without, with, "program %d", number)
	}
}
