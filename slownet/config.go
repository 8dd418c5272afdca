package slownet

import (
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Config says what a connection is to be like. The zero Config leaves it as
// it is.
type Config struct {
	// Clock is the time by which bytes travel and deadlines expire. Nil is the
	// real one (or the simulated one, in a testing/synctest bubble). A
	// clock.Mock begins in 1970, where packages such as net/http take times for
	// long past that lie a second ahead: set it to a later time first.
	Clock clock.Clock

	// Read is the link over which travels what is read. See PerConn for who
	// shares it.
	Read netem.Link

	// Write is the link over which travels what is written.
	Write netem.Link

	// TCP is how streams travel over the links: as Linux's TCP sends them, with
	// [netem.CUBIC], which is the default, or [netem.Reno], or as ideal streams with
	// [netem.Unlimited]. Its KeepAlive has no effect, as the inner connection has
	// its own. Where nothing takes time, TCP makes no difference and is left out.
	TCP netem.TCP

	// Seed decides what is random about the links. Each connection of a
	// listener or a dialer, and each direction of it, draws from a sequence of its
	// own, which follows from the seed and from how many connections came before
	// it. Two that are wrapped one by one, with the same seed, have the same.
	Seed uint64

	// PerConn gives each connection of a [Dialer] or a [Listener] links of its
	// own. Otherwise all of them share one pair: its rate, its queue, and what is
	// random about it. Pace is always each connection's own, and connections of
	// NewConn and NewPacketConn have links of their own.
	PerConn bool

	// Trace, if it is not nil, is called with all that happens. Times are those of the
	// clock, since 1970. From and To are the addresses of both ends, followed by " (peer)"
	// for the other end if both are the same; see [DirectionOf]. A [trace.Send] says that
	// bytes were accepted: those that are written wait for the link from then on, those
	// that are read have come out of the inner connection. With a [trace.Data] they are in
	// the inner connection, or were handed to the reader. The Note of a [trace.Drop] says
	// why: bytes of a stream will be sent again, or were discarded when the connection
	// ended; a datagram is gone. A [trace.Fault] is of both directions, and told as of
	// Write. A [trace.Connect] is of a Dialer, a [trace.Accept] of a Listener. A
	// [trace.Close] says that the end of a stream has arrived: that what was written ends
	// in the inner connection, or that the reader has met the end. A [trace.Reset] is of
	// both directions, and told where it was first noticed. Hashes are left out. A
	// connection's number counts the traced connections of the process.
	//
	// It is called with locks held, in order for each direction of a connection, and from
	// several goroutines at once for several: it must not wait, and must not
	// use the connection, nor make faults happen.
	Trace func(trace.Event)

	// Payloads is how many bytes of what has arrived, or of a datagram that was dropped,
	// an event has at most in [trace.Event.Payload]. Zero is none; below zero is all.
	Payloads int
}

// mustBeValid panics on an invalid link or TCP, and names the call that was given it.
func (c *Config) mustBeValid(call string) {
	mustBeValid(call+": Config.Read", c.Read)
	mustBeValid(call+": Config.Write", c.Write)
	mustBeValid(call+": Config.TCP", c.TCP)
}

// linksMustBeValid panics on an invalid link of a call of SetLinks.
func linksMustBeValid(of string, read, write netem.Link) {
	mustBeValid(of+".SetLinks: read", read)
	mustBeValid(of+".SetLinks: write", write)
}

// mustBeThere panics if there is nothing to be wrapped.
func mustBeThere(call string, inner any) {
	if inner == nil {
		panic("slownet: " + call + ": there is nothing to wrap: inner is nil")
	}
}

// withClock returns the configuration with the clock to use.
func (c Config) withClock() Config {
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	return c
}

// tcp returns how TCP works, or nil if streams are ideal.
func (c *Config) tcp() *netem.TCP {
	if c.TCP.Congestion == netem.Unlimited {
		return nil
	}
	tcp := c.TCP
	return &tcp
}

// links returns the links, by direction.
func (c *Config) links() [2]*netem.Link {
	return [2]*netem.Link{Read: intern(c.Read), Write: intern(c.Write)}
}

// roundTrip is how long a packet takes there and back that meets no jitter.
func (c *Config) roundTrip() time.Duration { return timeline.Add(c.Read.Latency, c.Write.Latency) }
