package wire

import "time"

// A flight is packets on their way, a heap in the order in which they arrive.
type flight []flying

type flying struct {
	at     time.Duration
	order  uint64
	packet []byte
}

func (f flight) Len() int { return len(f) }

func (f flight) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}

func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

func (f *flight) Push(x any) { *f = append(*f, x.(flying)) }

func (f *flight) Pop() any {
	last := (*f)[len(*f)-1]
	(*f)[len(*f)-1] = flying{}
	*f = (*f)[:len(*f)-1]
	return last
}
