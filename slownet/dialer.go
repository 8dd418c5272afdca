package slownet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A Dialer makes connections that travel over slow links. All of them share one
// pair of links, with its rates and queues, so that two downloads at once take twice
// as long as one; [Config.PerConn] gives each its own, and several dialers share a
// [Path]. The zero Dialer makes the connections of net.Dialer. It must not be copied
// once it is in use.
type Dialer struct {
	// Dial makes the inner connections. Nil is that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Config is what the connections are to be like.
	Config Config

	// Lookup is how much longer it takes to look up a name. Zero is no longer; it
	// must not be below that.
	Lookup time.Duration

	given *Path // that the dialer is on; nil if it makes its own

	mu    sync.Mutex // guards what follows
	path  *Path      // of its own
	made  Config     // what it was made of
	paths uint64     // of its own, so far
	group group
}

// DialContext connects to the address. To connect takes a round trip over the
// links, in addition to what the inner dial takes, and Lookup, if the address
// has a name for its host. A SYN that is lost, or whose answer is, is sent again
// after 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 seconds, as Linux does it since 6.5;
// after 131 s, or [netem.TCP.UserTimeout] if that is less, the error is ETIMEDOUT,
// unless the context ends before. With
// [netem.Unlimited] a dial takes the latencies of the links, and nothing is lost.
// A connection that carries a stream is a [*Conn], one that carries datagrams, for
// which there is no round trip, a [*PacketConn].
//
// It panics on invalid links or TCP, see [netem.Link.Validate] and
// [netem.TCP.Validate], and if Lookup is below zero.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.Config.mustBeValid("Dialer.DialContext")
	if d.Lookup < 0 {
		panic(fmt.Sprintf("slownet: Dialer.DialContext: Lookup is %v: it must be 0 (no longer) or more", d.Lookup))
	}
	config := d.Config.withClock()
	if err := wait(ctx, config.Clock, d.lookup(address)); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	dial := d.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	start := config.Clock.Now()
	inner, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	path := d.enterPath(config)
	defer path.left()
	if packets, ok := inner.(net.PacketConn); ok && carriesDatagrams(inner) {
		return path.packetConn(packets, &d.group), nil
	}
	conn := path.conn(inner, &d.group)
	if err := conn.open(ctx, path.roundTrip()); err != nil {
		conn.traceConn(trace.Reset, Read, conn.clock.Since(start), err)
		conn.owners.forget(conn)
		_ = inner.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Source: inner.LocalAddr(), Addr: inner.RemoteAddr(), Err: err}
	}
	conn.traceConn(trace.Connect, Write, conn.clock.Since(start), nil)
	return conn, nil
}

// enterPath returns the path for a connection that is being dialled; the caller
// calls its left. A path of the dialer's own lasts as long as there are
// connections on it: so one dialer can be used in several bubbles of simulated
// time, one after the other. It begins anew if the configuration was changed.
func (d *Dialer) enterPath(config Config) *Path {
	if d.given != nil {
		d.given.enter()
		return d.given
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.path == nil || !d.isMadeOf(&d.Config) || !d.path.enterIfUsed() {
		config.Seed = deriveSeed(config.Seed, d.paths)
		d.paths++
		d.made = d.Config
		d.path = newPath(config)
		d.path.enter()
	}
	d.path.SetTrace(config.Trace, config.Payloads)
	return d.path
}

// isMadeOf reports whether the dialer's path was made of an equal configuration.
func (d *Dialer) isMadeOf(config *Config) bool {
	return d.made.Read == config.Read && d.made.Write == config.Write && d.made.PerConn == config.PerConn &&
		d.made.Seed == config.Seed && d.made.TCP == config.TCP && d.made.Clock == config.Clock
}

// lookup returns how much longer it takes to look up the address's name.
func (d *Dialer) lookup(address string) time.Duration {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return 0
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return 0
	}
	return d.Lookup
}

// wait waits for d to pass, or for the context's end.
func wait(ctx context.Context, c clock.Clock, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := c.Timer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
