package proxy

import (
	"time"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// slicerStage cuts bytes into pieces, with a delay after each. Datagrams pass whole.
type slicerStage struct {
	passing
	Slicer
	datagrams bool
	seed      uint64
	count     uint64 // draws so far
	cuts      []int  // lengths of the pieces of the first item
	free      time.Duration
}

func (a Slicer) newStage(s setting) stage {
	return &slicerStage{Slicer: a, datagrams: s.datagrams, seed: s.seed}
}

func (s *slicerStage) due() (time.Duration, bool) {
	at, ok := s.passing.due()
	return max(at, s.free), ok
}

func (s *slicerStage) pop(now time.Duration) item {
	first := &s.queue.items[0]
	if s.datagrams || len(first.data) == 0 {
		return s.queue.pop()
	}
	if len(s.cuts) == 0 {
		s.cuts = s.cut(nil, len(first.data))
	}
	n := s.cuts[0]
	s.cuts = s.cuts[1:]
	at := max(first.at, s.free)
	s.free = max(at, now-maxLate) + s.Delay
	if n >= len(first.data) {
		it := s.queue.pop()
		it.at = at
		return it
	}
	it := item{data: first.data[:n:n], at: at}
	first.data = first.data[n:]
	s.queue.size -= n
	return it
}

// cut splits a length roughly in half until the pieces have the average size, and
// appends them to cuts.
func (s *slicerStage) cut(cuts []int, n int) []int {
	if n-s.AverageSize <= s.SizeVariation || n < 2 {
		return append(cuts, n)
	}
	middle := n / 2
	if s.SizeVariation > 0 {
		draw := mix64.Mix(s.seed, s.count) % uint64(2*s.SizeVariation)
		s.count++
		middle += int(draw) - s.SizeVariation
	}
	middle = min(max(1, middle), n-1)
	return s.cut(s.cut(cuts, middle), n-middle)
}

func (s *slicerStage) takeAll() []item {
	s.cuts = nil
	return s.passing.takeAll()
}

func (s *slicerStage) change(_ time.Duration, a Attributes) {
	s.Slicer, s.cuts = a.(Slicer), nil
}
