package netem

// A fifo hands out what was put in, the first first. Once it has the room it
// needs, it allocates nothing.
type fifo[T any] struct {
	items []T
	head  int // of items; those before it were taken
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

// first returns where the first item is. There must be one.
func (f *fifo[T]) first() *T { return &f.items[f.head] }

func (f *fifo[T]) push(item T) {
	if f.head > 0 && f.head >= len(f.items)/2 && len(f.items) == cap(f.items) {
		left := copy(f.items, f.items[f.head:])
		clear(f.items[left:])
		f.items, f.head = f.items[:left], 0
	}
	f.items = append(f.items, item)
}

// pop takes the first item out. There must be one.
func (f *fifo[T]) pop() (item T) {
	var zero T
	item, f.items[f.head] = f.items[f.head], zero
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return item
}
