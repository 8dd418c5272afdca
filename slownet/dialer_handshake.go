package slownet

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// open waits for as long as the handshake takes: over TCP, the SYN and its
// answer cross the links, and are sent again if they are lost. Otherwise, that is a
// round trip of the links' latencies.
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

// handshakeLocked waits until TCP's handshake is done, and measures the round trip. Its
// Transfer goes on to send what is written.
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
