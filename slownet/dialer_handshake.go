package slownet

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// open waits for the duration of the handshake. Over TCP, the SYN and the SYN-ACK
// cross the links, and are retransmitted if they are lost. Otherwise open waits for
// a round trip of the links' latencies.
func (c *Conn) open(ctx context.Context, roundTrip time.Duration) error {
	if c.tcp == nil {
		return wait(ctx, c.clock, roundTrip)
	}
	s := &c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.back == nil {
		return nil
	}
	return s.handshakeLocked(ctx)
}

// handshakeLocked waits until TCP's handshake is complete, and measures the round-trip
// time. The handshake's Transfer then sends the data.
func (s *sender) handshakeLocked(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.wake()
	})()
	tcp := s.newTCPLocked()
	tcp.Transfer = netem.DialTransfer(*s.conn.tcp, &tcp.data, &tcp.acks)
	s.tcp = tcp
	tcp.Dial(s.now())
	for {
		tcp.advance(s.now())
		switch {
		case tcp.State() == netem.Established:
			s.conn.roundTrip = tcp.RoundTrip()
			s.beginTCPLocked()
			return nil
		case tcp.failed:
			return os.NewSyscallError("connect", syscall.ETIMEDOUT)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.waitTCPLocked(&s.changed, tcp.Next())
	}
}
