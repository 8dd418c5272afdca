package simtest

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"testing"

	"github.com/slowpoetry/slowpoetry/internal/mix64"
)

// A hostReader is crypto/rand.Reader during a simulation. The goroutines of a host read
// from the host's own stream, so that the bytes that one host reads do not depend on the
// other hosts. Goroutines without a host share a stream.
type hostReader struct {
	seed uint64

	mu      sync.Mutex             // guards streams and each stream
	streams map[string]*hostStream // by host
}

// A hostStream is the stream of one host. Single bytes come from a separate stream:
// before Go 1.26 the crypto packages randomly read one extra byte, or none, from a
// custom reader, so that callers do not rely on the bytes that follow.
type hostStream struct{ bytes, singles *mathrand.ChaCha8 }

// seedReader replaces crypto/rand.Reader with a hostReader until t ends.
func seedReader(t *testing.T, seed uint64) {
	if !mayReplaceReader() {
		return
	}
	before := rand.Reader
	rand.Reader = &hostReader{seed: seed, streams: make(map[string]*hostStream)}
	t.Cleanup(func() { rand.Reader = before })
}

// Read fills p from the stream of the calling goroutine's host.
func (r *hostReader) Read(p []byte) (int, error) {
	host := callersHost()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[host]
	if s == nil {
		key := mix64.String(mix64.Mix(r.seed, 4), host)
		s = &hostStream{newStream(key), newStream(mix64.Mix(key, 1))}
		r.streams[host] = s
	}
	if len(p) == 1 {
		return s.singles.Read(p)
	}
	return s.bytes.Read(p)
}

// newStream returns the random stream for a key.
func newStream(key uint64) *mathrand.ChaCha8 {
	var seed [32]byte
	for i := range seed {
		if i%8 == 0 {
			key = mix64.Mix(key, uint64(i))
		}
		seed[i] = byte(key >> (i % 8 * 8))
	}
	return mathrand.NewChaCha8(seed)
}
