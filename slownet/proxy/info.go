package proxy

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// ConnInfo describes a client's connection, or a client of a datagram proxy.
type ConnInfo struct {
	Number   uint64        `json:"number"`   // among the proxy's connections, from 1
	Client   string        `json:"client"`   // the client's address
	Upstream string        `json:"upstream"` // the server's address
	Age      time.Duration `json:"-"`
	Up       FlowInfo      `json:"up"`   // to the server
	Down     FlowInfo      `json:"down"` // to the client
}

// FlowInfo counts bytes in one direction.
type FlowInfo struct {
	Bytes int64   `json:"bytes"` // passed on
	Rate  float64 `json:"rate"`  // bytes per second, over about the last second, rounded to a whole number
	Held  int     `json:"held"`  // bytes held by toxics
	Ended bool    `json:"ended"` // the stream has ended
}

// Conns returns the live connections, sorted by number.
func (p *Proxy) Conns() []ConnInfo {
	conns := []ConnInfo{}
	for _, c := range p.all() {
		conns = append(conns, c.info())
	}
	for _, c := range p.allPeers() {
		conns = append(conns, c.info())
	}
	slices.SortFunc(conns, func(a, b ConnInfo) int { return cmp.Compare(a.Number, b.Number) })
	return conns
}

// ResetConn resets the connection with the given number, and reports whether there is
// one.
func (p *Proxy) ResetConn(number uint64) bool {
	for _, c := range p.all() {
		if c.number == number {
			c.close(true)
			return true
		}
	}
	return false
}

// Totals are counters since the proxy was added.
type Totals struct {
	Conns    uint64 // accepted
	Live     int    // accepted and not ended yet
	Up, Down int64  // bytes passed on
}

// Totals returns the proxy's counters.
func (p *Proxy) Totals() Totals {
	p.connsMu.Lock()
	defer p.connsMu.Unlock()
	t := Totals{p.count, len(p.conns) + len(p.peers), p.past[Upstream], p.past[Downstream]}
	for c := range p.conns {
		up, down := c.passed()
		t.Up, t.Down = t.Up+up, t.Down+down
	}
	for _, c := range p.peers {
		up, down := c.passed()
		t.Up, t.Down = t.Up+up, t.Down+down
	}
	return t
}

// passed returns the numbers of bytes that were passed on.
func (c *conn) passed() (up, down int64) {
	return c.flows[Upstream].meter.total.Load(), c.flows[Downstream].meter.total.Load()
}

func (c *peer) passed() (up, down int64) {
	return c.flows[Upstream].meter.total.Load(), c.flows[Downstream].meter.total.Load()
}

func (c *conn) info() ConnInfo {
	return ConnInfo{
		Number: c.number, Client: c.client.RemoteAddr().String(), Upstream: c.raw.RemoteAddr().String(), Age: time.Since(c.began),
		Up: c.flows[Upstream].info(), Down: c.flows[Downstream].info(),
	}
}

func (f *flow) info() FlowInfo {
	f.lock()
	defer f.unlock()
	return f.line.info(f.now(), &f.meter, f.reader == readerEnded)
}

func (c *peer) info() ConnInfo {
	return ConnInfo{
		Number: c.number, Client: c.client.String(), Upstream: c.raw.RemoteAddr().String(), Age: time.Since(c.began),
		Up: c.flows[Upstream].info(), Down: c.flows[Downstream].info(),
	}
}

func (w *datagramFlow) info() FlowInfo {
	w.lock()
	defer w.unlock()
	return w.line.info(w.peer.proxy.server.now(), &w.meter, false)
}

func (p *pipeline) info(now time.Duration, m *meter, ended bool) FlowInfo {
	i := FlowInfo{Bytes: m.total.Load(), Rate: math.Round(m.rateAt(now)), Held: p.out.size, Ended: ended}
	for _, e := range p.stages {
		i.Held += e.stage.held()
	}
	return i
}
