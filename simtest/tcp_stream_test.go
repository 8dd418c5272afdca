package simtest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Streams return the bytes that were written to them, in order, although they share
// spare rings; and the hash of a part does not depend on its place in a ring.
func TestStreams(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 0))
		var spare spareRings
		var streams [3]stream
		var models [3][]byte
		for range 300 {
			i := random.IntN(len(streams))
			s, model := &streams[i], &models[i]
			switch n := random.IntN(1 + random.IntN(5000)); random.IntN(4) {
			case 0, 1:
				p := make([]byte, n)
				for j := range p {
					p[j] = byte(random.Uint32())
				}
				s.write(p, &spare)
				*model = append(*model, p...)
			case 2:
				n = min(n, len(*model))
				p := make([]byte, n)
				s.read(p, &spare)
				require.True(t, bytes.Equal((*model)[:n], p))
				*model = (*model)[n:]
			default:
				n = min(n, len(*model))
				s.skip(n, &spare)
				*model = (*model)[n:]
			}
			require.Equal(t, len(*model), s.size)
			if s.size == 0 {
				require.LessOrEqual(t, len(s.ring), len(s.small))
				continue
			}
			offset := random.IntN(s.size)
			n := random.IntN(s.size - offset + 1)
			require.Equal(t, hash((*model)[offset:offset+n]), s.hash(offset, n))
		}
	}
}

// Spare rings are reused, and their number is limited.
func TestSpareRings(t *testing.T) {
	var spare spareRings
	ring := spare.take(1000)
	assert.Len(t, ring, 1024)
	ring[0] = 'x'
	spare.put(ring)
	assert.Equal(t, byte('x'), spare.take(600)[0])
	assert.Zero(t, spare.take(600)[0])
	for range 100 {
		spare.put(make([]byte, 1<<20))
	}
	assert.Equal(t, maxSpare, spare.size)
	assert.Len(t, spare.rings[1<<20], 4)

	spare = spareRings{}
	var s stream
	p := make([]byte, 100<<10)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		s.write(p, &spare)
		s.read(p, &spare)
	}))
}
