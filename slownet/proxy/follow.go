package proxy

import (
	"sync"
	"time"
)

// A follower is one direction of a connection, which follows the changes of its proxy's
// toxics and links. A control call must not wait for the follower's lock: on a busy
// machine, the goroutine that holds it may be waiting for a processor. So the holder of
// the lock applies the change before it releases the lock.
type follower interface {
	isBehind() bool  // reports whether there is a change to apply; needs no lock
	followLocked()   // applies the change, if there is one
	tryFollow() bool // applies the change if the lock is free; reports whether none is left
}

// A followLock is the lock of a follower. Whoever holds it has applied all changes that
// were made before lock returned.
type followLock struct{ mu sync.Mutex }

func (l *followLock) lock(f follower) {
	l.mu.Lock()
	f.followLocked()
}

func (l *followLock) unlock(f follower) {
	for {
		l.mu.Unlock()
		if !f.isBehind() || !l.mu.TryLock() { // the new holder applies the change
			return
		}
		f.followLocked()
	}
}

// try implements follower.tryFollow.
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

// A toxicSet contains all toxics of a proxy, in order. It is immutable.
type toxicSet struct{ all []*toxic }

// find returns the toxic with the given name, or nil.
func (s *toxicSet) find(name string) *toxic {
	for _, t := range s.all {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// follow applies the proxy's changes to all connections. It waits for busy connections, but
// no longer than interruptionTime.
func (p *Proxy) follow() { p.followUntil(time.Now().Add(interruptionTime)) }

// followUntil applies the proxy's changes to all connections. If it has not finished at the
// given time, the other connections follow in the background: on a busy machine each wait
// for a processor may take a good part of a second.
func (p *Proxy) followUntil(end time.Time) {
	all := p.followers()
	var late []follower
	for i, f := range all {
		if time.Now().After(end) {
			p.server.running.run(func() {
				for _, f := range all[i:] {
					f.tryFollow() // or the holder of its lock applies the change
				}
			})
			return
		}
		if !f.tryFollow() {
			late = append(late, f)
		}
	}
	p.interruption.await(late, end)
}

// followers returns both directions of all connections.
func (p *Proxy) followers() (all []follower) {
	for _, c := range p.all() {
		all = append(all, &c.flows[Upstream], &c.flows[Downstream])
	}
	for _, c := range p.allPeers() {
		all = append(all, &c.flows[Upstream], &c.flows[Downstream])
	}
	return all
}
