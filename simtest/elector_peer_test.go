package simtest_test

import (
	"context"
	"encoding/binary"
	"net"
	"time"
)

// An electorMessage is a request or the answer to it. It is sent as it stands,
// big-endian.
type electorMessage struct {
	Kind   electorKind
	From   uint8
	Yes    bool // in an answer
	Term   uint64
	Number uint64 // of the request
}

// An electorKind is the kind of a request.
type electorKind uint8

const (
	askVote electorKind = iota + 1
	beat
)

// An electorPeer is another node, and the connection for requests to it. At most one
// request is outstanding, so a write never waits for room.
type electorPeer struct {
	address string

	heard  time.Time       // when it last answered yes to a heartbeat
	next   *electorMessage // the request to be sent as soon as possible
	conn   net.Conn        // nil if there is none
	cancel func()          // ends the dial that is under way; nil if there is none
	dials  int             // the number of dials
	asked  uint64          // the number of the outstanding request; 0 if there is none
	since  time.Time       // when the outstanding request was sent or the dial began
}

// An electorInput is an input of the goroutine that owns the state: a new connection, a
// message, or the end of a connection.
type electorInput struct {
	peer    *electorPeer // whom this node asks on the connection; nil if the other node asks
	conn    net.Conn     // nil if the dial has failed
	message electorMessage
	dial    int // the number of the peer's dial that gave this input; 0 is none
	err     error
	fatal   error // the node cannot go on
}

// take processes an input.
func (in electorInput) take(ctx context.Context, e *elector) {
	p := in.peer
	switch {
	case p == nil && in.err == nil:
		e.hear(in.conn, in.message)
	case p == nil:
		e.forget(in.conn)
	case in.dial != 0 && (in.dial != p.dials || p.cancel == nil): // it was given up before
		if in.err == nil {
			_ = in.conn.Close()
		}
	case in.dial != 0 && in.err != nil:
		p.cancel = nil
	case in.dial != 0:
		p.cancel, p.conn = nil, in.conn
		e.background.Go(func() { e.read(ctx, p, in.conn) })
		e.flush(ctx, p)
	case p.conn != in.conn: // it was given up before
	case in.err != nil:
		p.drop()
	default:
		if in.message.Number == p.asked {
			p.asked = 0
		}
		e.heed(ctx, p, in.message)
		e.flush(ctx, p)
	}
}

// ask sends a request. It replaces a request that has not been sent yet.
func (e *elector) ask(ctx context.Context, p *electorPeer, m electorMessage) {
	if (p.cancel != nil || p.asked != 0) && e.clock.Since(p.since) >= answerTimeout {
		p.drop()
	}
	p.next = &m
	e.flush(ctx, p)
}

// flush sends the queued messages, if it can.
func (e *elector) flush(ctx context.Context, p *electorPeer) {
	switch {
	case p.next == nil || p.cancel != nil || p.asked != 0:
	case p.conn == nil:
		e.connect(ctx, p)
	default:
		p.asked, p.since = p.next.Number, e.clock.Now()
		if err := binary.Write(p.conn, binary.BigEndian, p.next); err != nil {
			p.drop()
		}
		p.next = nil
	}
}

// connect dials in the background.
func (e *elector) connect(ctx context.Context, p *electorPeer) {
	ctx, cancel := context.WithCancel(ctx)
	p.cancel, p.since = cancel, e.clock.Now()
	p.dials++
	dial := p.dials
	e.background.Go(func() {
		conn, err := e.dial(ctx, "tcp", p.address)
		if !e.hand(ctx, electorInput{peer: p, conn: conn, dial: dial, err: err}) && err == nil {
			_ = conn.Close()
		}
		cancel()
	})
}

// drop gives up a connection, or the attempt to make one.
func (p *electorPeer) drop() {
	if p.cancel != nil {
		p.cancel()
	}
	if p.conn != nil {
		_ = p.conn.Close()
	}
	p.cancel, p.conn, p.asked = nil, nil, 0
}

// hand passes an input to the goroutine that owns the state, unless the context has ended.
func (e *elector) hand(ctx context.Context, input electorInput) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case e.inputs <- input:
		return true
	case <-ctx.Done():
		return false
	}
}

// accept accepts connections.
func (e *elector) accept(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { _ = e.listener.Close() })()
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			e.hand(ctx, electorInput{fatal: err})
			return
		}
		e.background.Go(func() { e.read(ctx, nil, conn) })
	}
}

// read passes on the messages that arrive on a connection.
func (e *elector) read(ctx context.Context, p *electorPeer, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	for {
		input := electorInput{peer: p, conn: conn}
		input.err = binary.Read(conn, binary.BigEndian, &input.message)
		if !e.hand(ctx, input) || input.err != nil {
			return
		}
	}
}

// hear answers a request. Only the last connection on which another node asks is kept:
// the node would not have made it if the previous one still worked.
func (e *elector) hear(conn net.Conn, m electorMessage) {
	if old := e.callers[m.From]; old != conn {
		if old != nil {
			_ = old.Close()
		}
		e.callers[m.From] = conn
	}
	if err := binary.Write(conn, binary.BigEndian, e.answer(m)); err != nil {
		_ = conn.Close()
	}
}

// forget lets go of a connection that has ended.
func (e *elector) forget(conn net.Conn) {
	for id, caller := range e.callers {
		if caller == conn {
			delete(e.callers, id)
		}
	}
}
