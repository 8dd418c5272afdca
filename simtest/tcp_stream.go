package simtest

import "github.com/zeebo/xxh3"

// A stream is the bytes that one end of a connection has written and the other has not
// read, wherever they are. They are read in the order of writing, so only their number
// is sent over the network.
type stream struct {
	ring  []byte // its length is a power of two
	start int    // index of the first byte
	size  int
	most  int      // the largest size since it was empty
	last  int      // the value of most when it was last emptied
	small [64]byte // the ring while it is large enough: in the stream's own cache lines
}

func (s *stream) write(p []byte, spare *spareRings) {
	if s.size == 0 {
		s.ring = s.small[:]
	}
	if s.size+len(p) > len(s.ring) {
		s.grow(s.size+len(p), spare)
	}
	end := (s.start + s.size) & (len(s.ring) - 1)
	if n := copy(s.ring[end:], p); n < len(p) {
		copy(s.ring, p[n:])
	}
	s.size += len(p)
	s.most = max(s.most, s.size)
}

// grow makes room for the given number of bytes, and at least for as many as the
// stream had at most before it was last emptied, so that bytes written in small pieces
// are not copied repeatedly.
func (s *stream) grow(size int, spare *spareRings) {
	longer := spare.take(max(size, s.last))
	first, second := s.span(0, s.size)
	copy(longer[copy(longer, first):], second)
	s.giveBack(spare)
	s.ring, s.start = longer, 0
}

// span returns n bytes of the stream, in two parts because of the ring's end.
func (s *stream) span(offset, n int) (first, second []byte) {
	if n == 0 {
		return nil, nil
	}
	from := (s.start + offset) & (len(s.ring) - 1)
	if over := from + n - len(s.ring); over > 0 {
		return s.ring[from:], s.ring[:over]
	}
	return s.ring[from : from+n], nil
}

// hash returns the hash of bytes of the stream.
func (s *stream) hash(offset, n int) uint32 {
	first, second := s.span(offset, n)
	if len(second) == 0 {
		return hash(first)
	}
	h := xxh3.New()
	_, _ = h.Write(first)
	_, _ = h.Write(second)
	return uint32(h.Sum64())
}

// read removes the first len(p) bytes, which must exist.
func (s *stream) read(p []byte, spare *spareRings) {
	first, second := s.span(0, len(p))
	if n := copy(p, first); n < len(p) {
		copy(p[n:], second)
	}
	s.skip(len(p), spare)
}

// skip removes n bytes.
func (s *stream) skip(n int, spare *spareRings) {
	s.size -= n
	if s.size > 0 {
		s.start = (s.start + n) & (len(s.ring) - 1)
		return
	}
	s.start = 0
	s.last, s.most = s.most, 0
	s.giveBack(spare)
	s.ring = nil
}

// giveBack makes the ring available for reuse, if it is not the stream's own.
func (s *stream) giveBack(spare *spareRings) {
	if len(s.ring) > len(s.small) {
		spare.put(s.ring)
	}
}

// spareRings are rings for reuse. Reuse makes bulk data fast, since the rings are in
// the processor's cache.
type spareRings struct {
	rings map[int][][]byte // by length
	size  int              // bytes in all rings
}

// maxSpare is the maximum number of bytes in spare rings.
const maxSpare = 4 << 20

// take returns a ring for at least size bytes.
func (r *spareRings) take(size int) []byte {
	length := 1
	for length < size {
		length *= 2
	}
	rings := r.rings[length]
	last := len(rings) - 1
	if last < 0 {
		return make([]byte, length)
	}
	ring := rings[last]
	rings[last] = nil
	r.rings[length] = rings[:last]
	r.size -= length
	return ring
}

func (r *spareRings) put(ring []byte) {
	if r.size+len(ring) > maxSpare {
		return
	}
	if r.rings == nil {
		r.rings = make(map[int][][]byte)
	}
	r.rings[len(ring)] = append(r.rings[len(ring)], ring)
	r.size += len(ring)
}
