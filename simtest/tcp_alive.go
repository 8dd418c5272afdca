package simtest

import (
	"net"
	"slices"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Keep-alive probes are not sent while their answers are known. After a fault that may
// change that, the time of the next probe is computed.

// isHealthy reports whether keep-alive probes would be answered.
func (c *conn) isHealthy() bool {
	p := c.tcp.pair
	one, other := p.snapshots[0].state, p.snapshots[1].state
	if one == netem.Closed || other == netem.Closed || one.IsOpening() || other.IsOpening() {
		return false
	}
	if p.faults == c.sim.faults {
		return true
	}
	if c.hasCrashed() || c.peer.hasCrashed() || !c.carriesAll() || !c.peer.carriesAll() {
		return false
	}
	p.faults = c.sim.faults
	return true
}

// carriesAll reports whether everything sent arrives.
func (c *conn) carriesAll() bool {
	return c.losesNothing() && !c.route.blocked && !c.route.held && !c.far.paused && c.peer.isOpenLocked(false)
}

// disturbLocked performs an operation on hosts, or on their traffic, that may keep
// probes from being answered.
func (s *Sim) disturbLocked(hosts []*Host, do func()) {
	var disturbed, late []*conn
	consider := func(c *conn) {
		if c.tcp == nil || !c.isHealthy() {
			return
		}
		disturbed = append(disturbed, c)
		if lazy := &c.tcp.pair.lazy; lazy.on && lazy.next <= s.instant {
			late = append(late, c)
		}
	}
	for _, h := range hosts {
		for c := range h.conns {
			consider(c)
		}
	}
	s.halfClosedLocked(hosts, consider)
	slices.SortFunc(late, compareConns)
	for _, c := range late {
		c.catchUpLoop()
	}
	for _, c := range disturbed {
		c.idleLoop()
	}
	do()
	s.faults++
	disturbed = slices.DeleteFunc(disturbed, func(c *conn) bool {
		return c.isHealthy() && (!c.tcp.pair.lazy.on || c.tcp.pair.links == c.links())
	})
	slices.SortFunc(disturbed, compareConns)
	for _, c := range slices.Compact(disturbed) {
		c.armLoop()
		c.peer.armLoop()
		c.updateUrgencyLoop()
	}
}

// halfClosedLocked finds connections that were closed on one of the hosts, which
// therefore does not list them, and are open on another host.
func (s *Sim) halfClosedLocked(hosts []*Host, found func(c *conn)) {
	if !slices.ContainsFunc(hosts, func(h *Host) bool { return h.halfClosed > 0 }) {
		return
	}
	touched := setOf(hosts)
	for _, h := range s.ordered {
		if touched.has(h) {
			continue
		}
		for c := range h.conns {
			if c.peer.usage == gone && touched.has(c.far) {
				found(c)
			}
		}
	}
}

// disturbNamedLocked is disturbLocked for hosts by name, if they exist.
func (s *Sim) disturbNamedLocked(names []string, do func()) {
	var hosts []*Host
	for _, name := range names {
		if h := s.hosts[name]; h != nil {
			hosts = append(hosts, h)
		}
	}
	s.disturbLocked(hosts, do)
}

// idleLoop brings a healthy idle connection up to the present.
func (c *conn) idleLoop() {
	one, other := &c.tcp.end, &c.peer.tcp.end
	if one.IsAcknowledged() && other.IsAcknowledged() {
		netem.Idle(c.sim.instant, one, other, c.latency(), c.peer.latency())
	}
}

// SetKeepAlive enables or disables probes of an idle peer. If the peer does not answer,
// the connection ends with ETIMEDOUT. As with a *net.TCPConn, the default is to probe
// after 15 seconds. SetKeepAlive has no effect on an ideal stream; see
// [netem.Unlimited].
func (c *conn) SetKeepAlive(keepAlive bool) error {
	return c.setKeepAlive(func(k *netem.KeepAlive) {
		if !keepAlive {
			k.Idle = -1
		} else if k.Idle < 0 {
			k.Idle = 0
		}
	})
}

// SetKeepAlivePeriod sets the idle time after which the peer is probed. Zero is 15
// seconds; if negative, it does not change.
func (c *conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setKeepAlive(func(k *netem.KeepAlive) {
		if d >= 0 {
			k.Idle = d
		}
	})
}

// SetKeepAliveConfig sets how the peer is probed; see [net.KeepAliveConfig].
func (c *conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	return c.setKeepAlive(func(k *netem.KeepAlive) {
		switch {
		case !config.Enable:
			k.Idle = -1
		case config.Idle >= 0:
			k.Idle = config.Idle
		case k.Idle < 0:
			k.Idle = 0
		}
		if config.Interval >= 0 {
			k.Interval = config.Interval
		}
		if config.Count >= 0 {
			k.Count = config.Count
		}
	})
}

// setKeepAlive makes the loop change the keep-alive configuration.
func (c *conn) setKeepAlive(change func(k *netem.KeepAlive)) error {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	if c.isClosed() {
		return c.opError("set", net.ErrClosed)
	}
	if c.tcp != nil {
		c.postCallLocked(sending, func() {
			c.catchUpLoop()
			if c.isHealthy() {
				c.idleLoop()
			}
			tcp := *c.tcp.tcp
			change(&tcp.KeepAlive)
			c.tcp.tcp = &tcp
			c.tcp.end.SetKeepAlive(c.sim.instant, tcp.KeepAlive)
			c.outputLoop()
		})
	}
	return nil
}
