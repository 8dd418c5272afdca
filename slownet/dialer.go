package slownet

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// A Dialer makes connections that travel over slow links. The zero Dialer makes
// those of net.Dialer. It must not be copied once it is in use.
type Dialer struct {
	// Dial makes the inner connections. Nil is that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Config is what the connections are to be like.
	Config Config

	// Lookup is how much longer it takes to look up a name. Zero is no longer.
	Lookup time.Duration

	count atomic.Uint64 // of connections so far
	group group
}

// DialContext connects to the address. To connect takes a round trip over the
// links, in addition to what the inner dial takes, and Lookup, if the address
// has a name for its host. A connection that carries a stream is a [*Conn],
// one that carries datagrams, for which there is no round trip, a
// [*PacketConn].
//
// It panics on invalid links; see [netem.Link.Validate].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.Config.mustBeValid()
	config := d.Config.withClock()
	if err := wait(ctx, config.Clock, d.lookup(address)); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	dial := d.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	inner, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config.Seed = mix(config.Seed, d.count.Add(1))
	if packets, ok := inner.(net.PacketConn); ok && carriesDatagrams(inner) {
		c := NewPacketConn(packets, config)
		c.owner = &d.group
		d.group.add(c)
		return c, nil
	}
	if err := wait(ctx, config.Clock, config.roundTrip()); err != nil {
		_ = inner.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Source: inner.LocalAddr(), Addr: inner.RemoteAddr(), Err: err}
	}
	c := newConn(inner, &config, config.Seed)
	c.owner = &d.group
	d.group.add(c)
	return c, nil
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
