package simtest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/tier"
)

// A queue returns events by time, by tie, and by the order of insertion, however
// insertions and removals are mixed.
func TestQueueIsSorted(t *testing.T) {
	for seed := range tier.Count[uint64](50, 200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var q queue
		var model []entry
		now, ties := time.Duration(0), 1+random.Uint64N(3)
		for range 2000 {
			if at, ok := q.next(); ok && random.IntN(5) < 2 {
				first := slices.MinFunc(model, func(a, b entry) int {
					if a.before(&b) {
						return -1
					}
					return 1
				})
				model = slices.DeleteFunc(model, func(e entry) bool { return e.sequence == first.sequence })
				now = at
				var e event
				popped := q.pop(&e)
				require.Equal(t, first.at, at)
				require.Equal(t, first.sequence, popped)
				require.EqualValues(t, first.sequence, e.n)
				continue
			}
			at, tie := now+time.Duration(random.IntN(3)), random.Uint64N(ties)
			sequence := q.push(at, tie, &event{n: int(q.count) + 1})
			require.Equal(t, q.count, sequence)
			model = append(model, entry{at: at, tie: tie, sequence: sequence})
		}
		for range model {
			var e event
			q.pop(&e)
			assert.NotZero(t, e.n)
		}
		_, ok := q.next()
		assert.False(t, ok)
		assert.Len(t, q.free, len(q.store))
	}
}

// A fifo returns items in order, and keeps only a little capacity.
func TestFifo(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var f fifo[int]
		var model []int
		for i := range 500 {
			switch n := random.IntN(20); {
			case n == 0 && i%2 == 0:
				f.pushFirst(i)
				model = append([]int{i}, model...)
			case n < 10:
				f.push(i)
				model = append(model, i)
			case len(model) > 0:
				require.Equal(t, model[0], *f.first())
				require.Equal(t, model[0], f.pop())
				model = model[1:]
			}
			require.Equal(t, len(model), f.len())
			require.True(t, slices.Equal(model, f.waiting()))
			if f.len() == 0 {
				require.LessOrEqual(t, cap(f.items), fifoRoom)
			}
		}
	}
	var f fifo[int]
	f.push(1)
	f.push(2)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { f.push(f.pop()) }))
	f.drop()
	assert.Zero(t, f.len())
}

// A fifo does not keep removed items alive.
func TestFifoKeepsNothing(t *testing.T) {
	for most := 1; most < 2*fifoRoom; most++ {
		var f fifo[*int]
		for range most {
			f.push(new(int))
		}
		f.pushFirst(new(int))
		for f.len() > 0 {
			f.pop()
		}
		require.Nil(t, f.one[0])
		for _, item := range f.items[:cap(f.items)] {
			require.Nil(t, item)
		}
	}
}
