package slownet

import (
	"time"

	"github.com/benbjohnson/clock"
	"github.com/slowpoetry/slowpoetry/internal/timeline"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Config configures the wrapper of a connection. With the zero Config, a
// wrapper changes nothing.
type Config struct {
	// Clock is the clock for links and deadlines. Nil means the real clock, or
	// the bubble's clock in a testing/synctest bubble. A clock.Mock starts in
	// 1970, and packages such as net/http treat times near the Unix epoch as
	// long past: set the clock to a later time first.
	Clock clock.Clock

	// Read is the link that received bytes cross. PerConn decides which
	// connections share it.
	Read netem.Link

	// Write is the link that written bytes cross.
	Write netem.Link

	// TCP configures how streams travel over the links: as Linux's TCP sends them,
	// with [netem.CUBIC], which is the default, or [netem.Reno], or as ideal streams
	// with [netem.Unlimited]. Its KeepAlive has no effect, as the inner connection
	// has its own keep-alive. If neither link takes time, TCP makes no difference
	// and is not modelled.
	TCP netem.TCP

	// Seed determines all random decisions of the links. Each direction of each
	// connection of a listener or a dialer draws from its own sequence, which
	// follows from the seed and the number of connections before it. Two
	// connections that are wrapped individually with the same seed draw the same
	// sequences.
	Seed uint64

	// PerConn gives each connection of a [Dialer] or a [Listener] links of its
	// own. Otherwise all of them share one pair: its rate, its queue and its
	// random impairments. Pace always applies to each connection separately, and
	// connections of NewConn and NewPacketConn have links of their own.
	PerConn bool

	// Trace, if it is not nil, is called with each event:
	//
	//   - A [trace.Send] means that bytes were accepted: written bytes wait for the link
	//     from then on, received bytes were read from the inner connection.
	//   - A [trace.Data] means that bytes were written to the inner connection, or handed
	//     to the reader.
	//   - The Note of a [trace.Drop] gives the reason: bytes of a stream will be
	//     retransmitted, or were discarded when the connection ended; a datagram is lost.
	//   - A [trace.Close] means that the end of a stream has arrived: at the inner
	//     connection if the stream was written, at the reader if it was received.
	//   - A [trace.Fault] concerns both directions, and is reported for Write. A
	//     [trace.Reset] concerns both, too, and is reported for the direction in which it
	//     was first noticed.
	//   - A [trace.Connect] comes from a Dialer, a [trace.Accept] from a Listener.
	//
	// Times are the clock's, since 1970. From and To are the addresses of both ends,
	// followed by " (peer)" for the other end if both are the same; see [DirectionOf]. A
	// connection's number counts the traced connections of the process. Hashes are left
	// out.
	//
	// Trace is called with locks held. The calls for one direction of a connection are in
	// order; calls for different directions may come from several goroutines at once. Trace
	// must not block, use the connection or cause faults.
	Trace func(trace.Event)

	// Payloads is the maximum number of bytes in [trace.Event.Payload], for data that
	// has arrived and for datagrams that were dropped. Zero means none, a negative number all.
	Payloads int
}

// mustBeValid panics on an invalid link or TCP. The message names the call that got the
// configuration.
func (c *Config) mustBeValid(call string) {
	mustBeValid(call+": Config.Read", c.Read)
	mustBeValid(call+": Config.Write", c.Write)
	mustBeValid(call+": Config.TCP", c.TCP)
}

// linksMustBeValid panics on an invalid link that was given to SetLinks.
func linksMustBeValid(of string, read, write netem.Link) {
	mustBeValid(of+".SetLinks: read", read)
	mustBeValid(of+".SetLinks: write", write)
}

// mustBeThere panics if inner is nil.
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

// tcp returns the configuration of TCP, or nil if streams are ideal.
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

// roundTrip returns the round-trip time of a packet without jitter.
func (c *Config) roundTrip() time.Duration { return timeline.Add(c.Read.Latency, c.Write.Latency) }
