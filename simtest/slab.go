package simtest

// A slab is where small pieces of data lie together while they are in flight,
// so that each needs no allocation of its own.
type slab struct{ block []byte }

// slabSize is a slab's size. A piece that lives long keeps so much alive.
const slabSize = 16 << 10

// keep returns a copy of p.
func (s *slab) keep(p []byte) []byte {
	if len(p) >= slabSize/4 {
		return append([]byte(nil), p...)
	}
	if len(s.block)+len(p) > cap(s.block) {
		s.block = make([]byte, 0, slabSize)
	}
	start := len(s.block)
	s.block = append(s.block, p...)
	return s.block[start:len(s.block):len(s.block)]
}
