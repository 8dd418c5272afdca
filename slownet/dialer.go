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

// A Dialer makes connections that travel over slow links. All its connections share
// one pair of links, with its rates and queues, so two downloads at once take twice
// as long as one. [Config.PerConn] gives each connection its own links; a [Path]
// puts several dialers on the same links. The zero Dialer behaves like the zero
// net.Dialer. It must not be copied once it is in use.
type Dialer struct {
	// Dial makes the inner connections. Nil means a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Config configures the connections.
	Config Config

	// Lookup is the extra time that a name lookup takes. Zero is none; it must
	// not be negative.
	Lookup time.Duration

	given *Path // the dialer's path; nil if it makes its own

	mu    sync.Mutex // guards the fields below
	path  *Path      // of its own
	made  Config     // the configuration of path
	paths uint64     // paths of its own so far
	group group
}

// DialContext connects to the address. Connecting takes a round trip over the
// links, in addition to the time of the inner dial and, if the host of the address
// is a name, Lookup. A SYN that is lost, or whose SYN-ACK is lost, is
// retransmitted 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 seconds after the first one,
// as Linux has done since 6.5. After 131 s, or [netem.TCP.UserTimeout] if that is
// less, the error is ETIMEDOUT, unless the context ends first. With
// [netem.Unlimited] a dial takes the latencies of the links, and nothing is lost.
// A connection that carries a stream is a [*Conn]. One that carries datagrams, for
// which there is no round trip, is a [*PacketConn].
//
// It panics on an invalid link or TCP, see [netem.Link.Validate] and
// [netem.TCP.Validate], and if Lookup is negative.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.Config.mustBeValid("Dialer.DialContext")
	if d.Lookup < 0 {
		panic(fmt.Sprintf("slownet: Dialer.DialContext: Lookup is %v: it must be 0 (no extra time) or more", d.Lookup))
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
	defer path.endDial()
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

// enterPath returns the path for a new dial. The caller must call the path's
// endDial when the dial has ended. A path of the dialer's own lasts as long as it
// has connections, so one dialer can be used in several bubbles of simulated
// time, one after another. A changed configuration starts a new path.
func (d *Dialer) enterPath(config Config) *Path {
	if d.given != nil {
		d.given.beginDial()
		return d.given
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.path == nil || !d.isMadeOf(&d.Config) || !d.path.beginDialIfUsed() {
		config.Seed = deriveSeed(config.Seed, d.paths)
		d.paths++
		d.made = d.Config
		d.path = newPath(config)
		d.path.beginDial()
	}
	d.path.SetTrace(config.Trace, config.Payloads)
	return d.path
}

// isMadeOf reports whether the dialer's path was made with an equal configuration.
func (d *Dialer) isMadeOf(config *Config) bool {
	return d.made.Read == config.Read && d.made.Write == config.Write && d.made.PerConn == config.PerConn &&
		d.made.Seed == config.Seed && d.made.TCP == config.TCP && d.made.Clock == config.Clock
}

// lookup returns the extra time of a lookup of the address's host.
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

// wait waits until d has passed or the context is done.
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
