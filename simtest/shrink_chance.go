package simtest

import "slices"

// The random decisions that a failure needs are reduced too: the orders drawn at single
// instants, and the impairments of single packets. All other orders become natural, and
// all other packets are not impaired.

// maxChance is the maximum number of ties or draws that a replay names. A failure that
// needs more keeps the seed's decisions, since a replay should be readable.
const maxChance = 16

// keepFewTies makes the order natural at as many instants as possible.
func (s *shrinker) keepFewTies() (smaller bool) {
	kept := s.best.ties
	if !s.best.natural {
		d, ok := s.decisions()
		if !ok || len(d.ties) == 0 {
			return false
		}
		var drawn ties
		drawn.init(&Config{Seed: s.best.seed, overrides: &s.best.overrides})
		kept = nil
		for _, at := range d.instants() {
			round, _ := drawn.roundOf(at)
			kept = append(kept, tieOverride{at: at, round: round})
		}
	}
	return keepFew(s, kept, func(kept []tieOverride) *replay {
		r := *s.best
		r.natural, r.ties = true, kept
		return &r
	})
}

// keepFewDraws removes the impairments of as many packets as possible.
func (s *shrinker) keepFewDraws() (smaller bool) {
	draws := s.best.draws
	if !s.best.noImpairments {
		d, ok := s.decisions()
		if !ok || len(d.draws) == 0 {
			return false
		}
		draws = nil
		for _, draw := range d.draws {
			draw.roll = 0
			draws = append(draws, draw)
		}
	}
	return keepFew(s, draws, func(kept []drawOverride) *replay {
		r := *s.best
		r.noImpairments, r.draws = true, kept
		return &r
	})
}

// decisions returns the random decisions of the best run.
func (s *shrinker) decisions() (d *decisions, ok bool) {
	if s.decide == nil || s.ended {
		return nil, false
	}
	name := s.best.fileName()
	if s.decided != nil && s.decidedOf == name {
		return s.decided, true
	}
	if d, ok = s.decide(s.best); !ok || d.more {
		return nil, false
	}
	s.decided, s.decidedOf = d, name
	return d, true
}

// keepFew removes random decisions, many at first: all, halves, and so on down to a
// 32nd. The next call continues with the remaining decisions. If more than maxChance
// are left, the replay does not change.
func keepFew[T any](s *shrinker, all []T, with func(kept []T) *replay) (smaller bool) {
	before, kept := s.best, all
	for size := len(all); size > max(0, (len(all)-1)/32); size /= 2 {
		for from := 0; from < len(kept); {
			var candidates []*replay
			for i := from; i < len(kept); i += size {
				candidates = append(candidates, with(slices.Concat(kept[:i], kept[min(i+size, len(kept)):])))
			}
			i := s.try(candidates)
			if i < 0 {
				break
			}
			smaller = true
			from += i * size
			kept = slices.Delete(slices.Clone(kept), from, min(from+size, len(kept)))
		}
	}
	if len(kept) > maxChance {
		s.best = before
		return false
	}
	return smaller
}
