// Package heap is container/heap with types: a binary heap without conversions to
// interfaces, so pushing a value allocates nothing.
package heap

// An Element has a position in a strict order.
type Element[T any] interface {
	// Before reports whether the element comes before another one. Of two elements,
	// exactly one comes before the other.
	Before(other T) bool

	// Moved is called with the element's new index in the heap, for [Heap.Remove], or
	// with -1 when it has left the heap.
	Moved(to int)
}

// A Heap is a priority queue: the element at index 0 comes before all others. The
// others are in no particular order.
type Heap[T Element[T]] []T

// Push adds an element.
func (h *Heap[T]) Push(e T) {
	*h = append(*h, e)
	h.up(len(*h) - 1)
}

// Pop removes the first element and returns it. The heap must not be empty.
func (h *Heap[T]) Pop() T { return h.Remove(0) }

// Remove removes and returns the element at an index.
func (h *Heap[T]) Remove(i int) T {
	var zero T
	removed, last := (*h)[i], len(*h)-1
	moved := (*h)[last]
	(*h)[last] = zero
	*h = (*h)[:last]
	if i < last {
		(*h)[i] = moved
		if !h.down(i) {
			h.up(i)
		}
	}
	removed.Moved(-1)
	return removed
}

// up moves the element at index i towards the front, to its position.
func (h *Heap[T]) up(i int) {
	s := *h
	e := s[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !e.Before(s[parent]) {
			break
		}
		s[i] = s[parent]
		s[i].Moved(i)
		i = parent
	}
	s[i] = e
	e.Moved(i)
}

// down moves the element at index i towards the end, to its position, and reports
// whether it has moved.
func (h *Heap[T]) down(i int) bool {
	s, start := *h, i
	e := s[i]
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if next := child + 1; next < len(s) && s[next].Before(s[child]) {
			child = next
		}
		if !s[child].Before(e) {
			break
		}
		s[i] = s[child]
		s[i].Moved(i)
		i = child
	}
	s[i] = e
	e.Moved(i)
	return i > start
}
