package simtest

import (
	"cmp"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ranks never contradict the order of keys, however large the numbers are. Among the
// actions of a connection, those of the dialling side come first; among the actions of
// one side, window probes come first, then window updates, then bytes.
func TestRanks(t *testing.T) {
	hosts := []int{1, 2, 3, 1<<24 - 2, 1<<24 - 1, 1 << 24, 1<<24 + 1, math.MaxInt32}
	numbers := []uint64{1, 2, 1<<40 - 2, 1<<40 - 1, 1 << 40, 1<<40 + 1, firstSocket, firstSocket + 1, dials}
	address := "poet:80"
	random := rand.New(rand.NewPCG(1, 0))
	pick := func() (*key, [5]uint64) {
		host, number := hosts[random.IntN(len(hosts))], numbers[random.IntN(len(numbers))]
		side, kind, count := side(random.IntN(2)), kind(random.IntN(int(kinds))), random.Uint64N(3)
		k := &key{host: host, conn: number, sequence: newSequence(side, kind, count)}
		if number == dials {
			k.address = &address
		}
		return k, [5]uint64{uint64(host), number, uint64(side), uint64(kind), count}
	}
	for range 100_000 {
		a, inWords := pick()
		b, otherInWords := pick()
		want := 0
		for i := range inWords {
			want = cmp.Or(want, cmp.Compare(inWords[i], otherInWords[i]))
		}
		require.Equal(t, want, compareKeys(a, b), "%+v, %+v", a, b)
		got := compareRanked(ranked{a.rank(), &action{key: *a}}, ranked{b.rank(), &action{key: *b}})
		require.Equal(t, want, got, "%+v, %+v", a, b)
	}
}
