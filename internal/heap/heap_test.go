package heap_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/internal/heap"
)

type element struct{ key, index int }

func (e *element) Before(other *element) bool { return e.key < other.key }
func (e *element) Moved(to int)               { e.index = to }

// After pushes, pops and removals in any order, elements leave in order, and each was
// always told its index.
func TestHeapIsASortedList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h heap.Heap[*element]
	var want []*element // sorted
	left := map[*element]bool{}
	for _, key := range random.Perm(300) {
		e := &element{key: key}
		h.Push(e)
		at, _ := slices.BinarySearchFunc(want, key, func(e *element, key int) int { return e.key - key })
		want = slices.Insert(want, at, e)
		switch random.IntN(4) {
		case 0:
			require.Same(t, want[0], h.Pop())
			left[want[0]] = true
			want = want[1:]
		case 1:
			i := random.IntN(len(want))
			require.Same(t, want[i], h.Remove(want[i].index))
			left[want[i]] = true
			want = slices.Delete(want, i, i+1)
		}
		for i, e := range h {
			require.Equal(t, i, e.index)
		}
	}
	for e := range left {
		require.Equal(t, -1, e.index)
	}
	for _, e := range want {
		require.Same(t, e, h.Pop())
	}
	assert.Empty(t, h)
}

type value int

func (v value) Before(other value) bool { return v < other }
func (value) Moved(int)                 {}

// Values allocate no memory of their own.
func TestHeapAllocatesNothing(t *testing.T) {
	h := make(heap.Heap[value], 0, 16)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for i := range 16 {
			h.Push(value(-i))
		}
		for range 16 {
			h.Pop()
		}
	}))
}
