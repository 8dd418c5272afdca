package proxy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A stuckFollower never applies a change.
type stuckFollower struct{ flow }

func (f *stuckFollower) isBehind() bool { return true }

// A call waits for flows and for effects, in total not beyond its end.
func TestAwait(t *testing.T) {
	l := interruption{out: []pendingEffect{{make(chan struct{}), time.Now().Add(time.Minute)}}}
	start := time.Now()
	l.await(nil, start.Add(20*ms))
	assert.GreaterOrEqual(t, time.Since(start), 20*ms)
	start = time.Now()
	l.await([]follower{new(stuckFollower), new(stuckFollower)}, start.Add(20*ms))
	assert.GreaterOrEqual(t, time.Since(start), 20*ms)
	assert.Less(t, time.Since(start), 30*time.Second)
}

// A change of links is complete when the readers that it interrupts have left their sockets.
func TestAwaitEffectsOfAnEffect(t *testing.T) {
	var l interruption
	links, reader := make(chan struct{}), make(chan struct{})
	l.add(links)
	go func() {
		time.Sleep(5 * ms)
		l.add(reader)
		close(links)
		time.Sleep(20 * ms)
		close(reader)
	}()
	l.await(nil, time.Now().Add(time.Minute))
	assert.True(t, pendingEffect{out: reader, end: time.Now().Add(time.Minute)}.isOver())
}
