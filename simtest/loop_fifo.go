package simtest

// A fifo hands out what was put in, the first first. It keeps a little room when
// it is empty, so that what is put in and taken out one by one needs no memory.
type fifo[T any] struct {
	items []T
	head  int  // of items; those before it were taken
	one   [1]T // room for the first item
}

// fifoRoom is for how many items an empty fifo keeps room.
const fifoRoom = 8

func (f *fifo[T]) len() int { return len(f.items) - f.head }

// waiting returns what is in it, the first first.
func (f *fifo[T]) waiting() []T { return f.items[f.head:] }

// first returns where the first item is. There must be one.
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
	moves := len(f.items) == 1 && cap(f.items) == 1 // out of its first room
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

// pop takes the first item out. There must be one.
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

// drop takes all out.
func (f *fifo[T]) drop() { *f = fifo[T]{} }
