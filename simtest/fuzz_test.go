package simtest_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// Whatever the hosts do and whatever faults the network has, the results conform to the
// model, and are the same on another number of processors. Goroutines make the fuzzer's
// coverage vary from run to run, so use -fuzzminimizetime 1x to keep it from spending its
// time on minimizing inputs.
func FuzzProgram(f *testing.F) {
	for number := range tier.Count[uint64](4, 8) { // one or two of each kind
		seed, tape := randomTape(number)
		f.Add(seed, tape)
	}
	f.Fuzz(func(t *testing.T, seed uint64, tape []byte) {
		if len(tape) > maxFuzzBytes {
			t.Skip("long programs find nothing that short ones do not")
		}
		for _, simulation := range []uint64{0, seed | 1} {
			checkFuzzProgram(t, seed, tape, simulation, false)
			checkFuzzProgram(t, seed, tape, simulation, true)
		}
	})
}

// The properties of FuzzProgram also hold for random programs, which are the same in
// each run of the test.
func TestRandomPrograms(t *testing.T) { checkRandomPrograms(t, false) }

// Over TCP too, every byte arrives once and in order, and a second run is the same.
func TestRandomProgramsOverTCP(t *testing.T) { checkRandomPrograms(t, true) }

func checkRandomPrograms(t *testing.T, tcp bool) {
	programs := tier.Count[uint64](24, 2000)
	if raceEnabled && !tier.Long() {
		programs /= 5
	}
	for number := range programs {
		seed, tape := randomTape(number)
		simulation := seed | 1
		if number%3 == 0 {
			simulation = 0
		}
		if !t.Run(fmt.Sprint(number), func(t *testing.T) { checkFuzzProgram(t, seed, tape, simulation, tcp) }) {
			return
		}
	}
}

// randomTape returns a random program.
func randomTape(number uint64) (seed uint64, tape []byte) {
	random := rand.New(rand.NewPCG(number, 4))
	tape = make([]byte, 1+4*(5+random.IntN(200)))
	for i := range tape {
		tape[i] = byte(random.Uint32())
	}
	if number%4 < 2 { // half of the programs are calm
		tape[0] |= 8 | 16
	} else {
		tape[0] &^= 8
	}
	return random.Uint64(), tape
}

// checkFuzzProgram checks a program in a simulation with the given seed. If it fails, the
// report contains the shortest version found that still fails.
func checkFuzzProgram(t *testing.T, seed uint64, tape []byte, simulation uint64, tcp bool) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	result := tryFuzzProgram(t, seed, tape, simulation, tcp)
	if len(result.problems) == 0 {
		return
	}
	tape, result = shortenTape(t, seed, tape, simulation, tcp, result)
	t.Logf("simulation's seed %d, input %d, []byte(%q)\n%v", simulation, seed, tape, decodeFuzzProgram(seed, tape))
	for _, e := range result.events {
		t.Log(e)
	}
	require.Empty(t, result.problems, strings.Join(result.problems, "\n"))
}

// tryFuzzProgram runs a program twice, on different numbers of processors.
func tryFuzzProgram(t *testing.T, seed uint64, tape []byte, simulation uint64, tcp bool) fuzzResult {
	program := decodeFuzzProgram(seed, tape)
	program.tcp, program.far = tcp, seed%2 == 1
	runtime.GOMAXPROCS(1 + len(tape)%4)
	first := runFuzzProgram(t, program, simulation)
	if len(first.problems) > 0 {
		return first
	}
	runtime.GOMAXPROCS(1 + (len(tape)+1+int(seed%3))%4)
	second := runFuzzProgram(t, program, simulation)
	if first.digest != second.digest || first.seen != second.seen {
		second.problems = append(second.problems, "two runs differ: "+firstDifference(first, second))
	}
	return second
}

// shortenTape removes steps as long as the program still fails, and returns the shorter
// tape and its result.
func shortenTape(t *testing.T, seed uint64, tape []byte, simulation uint64, tcp bool, result fuzzResult) ([]byte, fuzzResult) {
	for size := len(tape) / 8 * 4; size >= 4; size = size / 8 * 4 {
		for at := 1; at+size <= len(tape); {
			shorter := append(append([]byte(nil), tape[:at]...), tape[at+size:]...)
			if other := tryFuzzProgram(t, seed, shorter, simulation, tcp); len(other.problems) > 0 {
				tape, result = shorter, other
			} else {
				at += size
			}
		}
	}
	return tape, result
}

// firstDifference returns the first difference between two runs' logs of the hosts.
func firstDifference(first, second fuzzResult) string {
	one, other := strings.Split(first.seen, "\n"), strings.Split(second.seen, "\n")
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			return fmt.Sprintf("line %d of the hosts' logs: %q, %q (digests %s, %s)", i, one[i], other[i], first.digest, second.digest)
		}
	}
	return fmt.Sprintf("digests %s, %s, and %d and %d lines", first.digest, second.digest, len(one), len(other))
}
