package proxy

import "sync"

// A follower is one direction of a connection, which follows the changes of its proxy's
// toxics and links. A control call must not wait for its lock: on a busy machine, the
// goroutine that holds it may be waiting for a processor. So the holder of the lock makes
// the change before it releases the lock.
type follower interface {
	isBehind() bool  // whether there is a change to follow; needs no lock
	followLocked()   // follows the change, if there is one
	tryFollow() bool // follows if the lock is free; reports whether no change is left
}

// A followLock is the lock of a follower. Its holder has followed all changes that were
// made before it got the lock.
type followLock struct{ mu sync.Mutex }

func (l *followLock) lock(f follower) {
	l.mu.Lock()
	f.followLocked()
}

func (l *followLock) unlock(f follower) {
	for {
		l.mu.Unlock()
		if !f.isBehind() || !l.mu.TryLock() { // the next holder follows
			return
		}
		f.followLocked()
	}
}

// try is tryFollow.
func (l *followLock) try(f follower) bool {
	if !f.isBehind() {
		return true
	}
	if !l.mu.TryLock() {
		return !f.isBehind()
	}
	f.followLocked()
	l.unlock(f)
	return true
}

// A toxicSet is all toxics of a proxy, in order. It is immutable.
type toxicSet struct{ all []*toxic }

// find returns the toxic with a name, or nil.
func (s *toxicSet) find(name string) *toxic {
	for _, t := range s.all {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// follow makes all connections follow the proxy's changes. It waits for busy ones, but
// only for interruptionTime.
func (p *Proxy) follow() {
	var late []follower
	see := func(f follower) {
		if !f.tryFollow() {
			late = append(late, f)
		}
	}
	for _, c := range p.all() {
		see(&c.flows[Upstream])
		see(&c.flows[Downstream])
	}
	for _, c := range p.allPeers() {
		see(&c.flows[Upstream])
		see(&c.flows[Downstream])
	}
	p.interruption.await(late)
}
