package simtest_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// An elector is one node of a cluster that elects a leader, as in Raft (Ongaro and
// Ousterhout, 2014, section 5.2), without a replicated log. It is written for sockets
// and knows nothing of the simulation.
//
// One goroutine owns the state: it processes messages and due timers, one at a time.
// The other goroutines only read from a connection, or dial, and pass on the results.
// There is one timer.
type elector struct {
	id       uint8
	listener net.Listener
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	clock    clock.Clock
	chance   *rand.Rand
	disk     *electorDisk
	changed  func(role electorRole, term uint64) // told of every change, by the goroutine that owns the state

	peers      []*electorPeer // the others, as given
	inputs     chan electorInput
	background sync.WaitGroup

	role     electorRole
	votes    map[uint8]bool     // of this term
	callers  map[uint8]net.Conn // the connections on which the others ask
	due      time.Time          // of the next heartbeat or election
	requests uint64
}

// An electorDisk is the state that a node must not forget when it crashes.
type electorDisk struct {
	term     uint64
	votedFor uint8 // in that term; 0 is nobody
	boots    uint64
}

// An electorRole is the role of a node in its term.
type electorRole string

const (
	follows electorRole = "follows"
	stands  electorRole = "stands"
	leads   electorRole = "leads"
)

// The times of an election. A follower that hears nothing for a random time between the
// shortest and the longest silence stands for election.
const (
	heartbeat       = 100 * time.Millisecond
	shortestSilence = 3 * heartbeat
	longestSilence  = 6 * heartbeat
	answerTimeout   = 3 * heartbeat // for an answer or a connection, before the next attempt
)

// run takes part in elections until the context ends.
func (e *elector) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer e.background.Wait()
	defer cancel()
	e.inputs = make(chan electorInput)
	e.callers = make(map[uint8]net.Conn)
	e.disk.boots++
	e.background.Go(func() { e.accept(ctx) })
	e.become(follows, e.disk.term)
	e.waitForOthers()
	timer := e.clock.Timer(e.due.Sub(e.clock.Now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			e.tick(ctx)
		case input := <-e.inputs:
			if input.fatal != nil {
				return cmp.Or(ctx.Err(), input.fatal)
			}
			input.take(ctx, e)
		}
		timer.Reset(e.due.Sub(e.clock.Now()))
	}
}

// become changes the role, the term or both.
func (e *elector) become(role electorRole, term uint64) {
	if term > e.disk.term {
		e.disk.term, e.disk.votedFor = term, 0
	}
	e.role, e.votes = role, make(map[uint8]bool)
	for _, p := range e.peers {
		p.next = nil
	}
	e.changed(role, term)
}

// waitForOthers gives another node time to lead.
func (e *elector) waitForOthers() {
	more := e.chance.Int64N(int64(longestSilence - shortestSilence))
	e.due = e.clock.Now().Add(shortestSilence + time.Duration(more))
}

// tick sends a leader's heartbeat or starts an election, if one is due.
func (e *elector) tick(ctx context.Context) {
	now := e.clock.Now()
	if now.Before(e.due) {
		return
	}
	if e.role == leads && !e.isHeard(now) {
		e.become(follows, e.disk.term)
		e.waitForOthers()
		return
	}
	if e.role != leads {
		e.become(stands, e.disk.term+1)
		e.disk.votedFor = e.id
		e.votes[e.id] = true
		e.waitForOthers()
		e.tellAll(ctx, askVote)
		return
	}
	e.due = now.Add(heartbeat)
	e.tellAll(ctx, beat)
}

// isHeard reports whether enough of the others have answered recently for the node to
// remain the leader.
func (e *elector) isHeard(now time.Time) bool {
	heard := 1
	for _, p := range e.peers {
		if now.Sub(p.heard) < longestSilence {
			heard++
		}
	}
	return e.isMajority(heard)
}

func (e *elector) isMajority(n int) bool { return 2*n > len(e.peers)+1 }

// tellAll sends a request to all the others.
func (e *elector) tellAll(ctx context.Context, kind electorKind) {
	for _, p := range e.peers {
		e.requests++
		e.ask(ctx, p, electorMessage{Kind: kind, From: e.id, Term: e.disk.term, Number: e.requests})
	}
}

// answer returns the node's answer to a request.
func (e *elector) answer(m electorMessage) electorMessage {
	if m.Term > e.disk.term {
		e.become(follows, m.Term)
	}
	answer := electorMessage{Kind: m.Kind, From: e.id, Number: m.Number}
	switch {
	case m.Term < e.disk.term:
	case m.Kind == beat:
		if e.role == stands {
			e.become(follows, m.Term)
		}
		answer.Yes = true
	case m.Kind == askVote && (e.disk.votedFor == 0 || e.disk.votedFor == m.From):
		e.disk.votedFor = m.From
		answer.Yes = true
	}
	if answer.Yes {
		e.waitForOthers()
	}
	answer.Term = e.disk.term
	return answer
}

// heed processes another node's answer.
func (e *elector) heed(ctx context.Context, p *electorPeer, m electorMessage) {
	switch {
	case m.Term > e.disk.term:
		e.become(follows, m.Term)
		e.waitForOthers()
	case m.Term < e.disk.term || !m.Yes:
	case m.Kind == beat:
		p.heard = e.clock.Now()
	case m.Kind == askVote && e.role == stands:
		e.votes[m.From] = true
		if e.isMajority(len(e.votes)) {
			e.lead(ctx)
		}
	}
}

// lead makes the node the leader of its term, and lets the others know.
func (e *elector) lead(ctx context.Context) {
	e.become(leads, e.disk.term)
	now := e.clock.Now()
	for _, p := range e.peers {
		p.heard = now
	}
	e.due = now.Add(heartbeat)
	e.tellAll(ctx, beat)
}
