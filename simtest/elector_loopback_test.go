package simtest_test

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The elector also runs on real networks: three electors elect a leader over
// loopback sockets, and another one when the leader has stopped.
func TestElectionOnLoopback(t *testing.T) {
	var leader leaderWatch
	listeners := make([]net.Listener, 3)
	for i := range listeners {
		var err error
		listeners[i], err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
	}
	stops := make([]func(), len(listeners))
	for i, listener := range listeners {
		ctx, cancel := context.WithCancel(t.Context())
		e := &elector{
			id:       uint8(i + 1),
			listener: listener,
			dial:     new(net.Dialer).DialContext,
			clock:    clock.New(),
			chance:   rand.New(rand.NewPCG(rand.Uint64(), uint64(i))),
			disk:     &electorDisk{},
			changed:  func(role electorRole, term uint64) { leader.see(i, role, term) },
		}
		for j, other := range listeners {
			if j != i {
				e.peers = append(e.peers, &electorPeer{address: other.Addr().String()})
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			assert.ErrorIs(t, e.run(ctx), context.Canceled)
		}()
		stops[i] = func() { cancel(); <-done }
		t.Cleanup(stops[i])
	}
	first := leader.wait(t, 0)
	stops[first.node]()
	second := leader.wait(t, first.term)
	assert.NotEqual(t, first.node, second.node)
	leader.mu.Lock()
	defer leader.mu.Unlock()
	assert.Empty(t, leader.twice, "terms with two leaders")
}

// A leaderWatch records the leader of each term.
type leaderWatch struct {
	mu      sync.Mutex
	leaders map[uint64]int // by term
	last    leadership
	twice   []uint64 // terms with two leaders
}

type leadership struct {
	node int
	term uint64
}

func (w *leaderWatch) see(node int, role electorRole, term uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if role != leads {
		return
	}
	if w.leaders == nil {
		w.leaders = make(map[uint64]int)
	}
	if _, ok := w.leaders[term]; ok {
		w.twice = append(w.twice, term)
	}
	w.leaders[term] = node
	w.last = leadership{node, term}
}

// wait waits for a leader of a term after the given one.
func (w *leaderWatch) wait(t *testing.T, after uint64) (last leadership) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		last = w.last
		return last.term > after
	}, time.Minute, 10*time.Millisecond)
	return last
}
