package netem

// A fifo is a first-in, first-out queue. Once it is large enough, it allocates
// nothing.
type fifo[T any] struct {
	items []T
	head  int // index of the first item; those before it were removed
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

// first returns a pointer to the first item. There must be one.
func (f *fifo[T]) first() *T { return &f.items[f.head] }

func (f *fifo[T]) push(item T) {
	if f.head > 0 && f.head >= len(f.items)/2 && len(f.items) == cap(f.items) {
		left := copy(f.items, f.items[f.head:])
		clear(f.items[left:])
		f.items, f.head = f.items[:left], 0
	}
	f.items = append(f.items, item)
}

// pop removes the first item. There must be one.
func (f *fifo[T]) pop() (item T) {
	var zero T
	item, f.items[f.head] = f.items[f.head], zero
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return item
}
