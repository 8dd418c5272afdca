package simtest

// A fifo is a first-in, first-out queue. It keeps a little capacity when it is empty,
// so that pushing and popping items one by one does not allocate.
type fifo[T any] struct {
	items []T
	head  int  // index of the first item; those before it were removed
	one   [1]T // storage for a single item
}

// fifoRoom is the capacity that an empty fifo keeps.
const fifoRoom = 8

func (f *fifo[T]) len() int { return len(f.items) - f.head }

// waiting returns the items in order.
func (f *fifo[T]) waiting() []T { return f.items[f.head:] }

// first returns a pointer to the first item. There must be one.
func (f *fifo[T]) first() *T { return &f.items[f.head] }

func (f *fifo[T]) push(item T) {
	if f.items == nil {
		f.items = f.one[:0]
	}
	if f.head > 0 && f.head >= len(f.items)/2 && len(f.items) == cap(f.items) {
		left := copy(f.items, f.waiting())
		clear(f.items[left:])
		f.items, f.head = f.items[:left], 0
	}
	moves := len(f.items) == 1 && cap(f.items) == 1 // out of the storage for a single item
	f.items = append(f.items, item)
	if moves {
		clear(f.one[:])
	}
}

// pushFirst puts an item before all others.
func (f *fifo[T]) pushFirst(item T) {
	f.items, f.head = append([]T{item}, f.waiting()...), 0
	clear(f.one[:])
}

// pop removes the first item. There must be one.
func (f *fifo[T]) pop() (item T) {
	var zero T
	item, f.items[f.head] = f.items[f.head], zero
	f.head++
	if f.len() == 0 {
		f.items, f.head = f.items[:0], 0
		if cap(f.items) > fifoRoom {
			f.items = nil
		}
	}
	return item
}

// drop removes all items.
func (f *fifo[T]) drop() { *f = fifo[T]{} }
