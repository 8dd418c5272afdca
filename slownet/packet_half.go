package slownet

import (
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// A packetHalf is a half of a [PacketConn].
type packetHalf struct {
	half
	conn *PacketConn

	// guarded by the half's lock
	lane
	flow   netem.PacketFlow
	queued int // datagrams that wait on the line
	flight flight
	count  int64 // datagrams so far
}

func (h *packetHalf) init(c *PacketConn, direction Direction, link *netem.Link, seed uint64, path *Path) {
	h.half.init(&c.endpoint, direction, link)
	h.conn = c
	h.begin(link, path.line(direction), seed, c.origin)
	h.flow.Init(&h.line.inner, seed)
}

// isPlainLocked reports whether the next datagram passes unchanged and without delay.
func (h *packetHalf) isPlainLocked() bool {
	return h.link.IsZero() && h.flow.Free() <= h.now() && !h.conn.hasPending(h.direction)
}

// sendLocked sends a datagram over the link; see [netem.PacketFlow.Send].
func (h *packetHalf) sendLocked(n int, tag any) ([]netem.Packet, netem.Drop) {
	at := h.line.begin(h.now())
	defer h.line.end(h.endpoint)
	return h.flow.SendTagged(at, n, tag)
}

// common returns the half.
func (h *packetHalf) common() *packetHalf { return h }

// passLocked lets a datagram enter the link, and returns the packets that will arrive.
// A datagram that waits on the line is put into flight later.
func (h *packetHalf) passLocked(d datagram, on queuedOn) []netem.Packet {
	var tag any
	if h.hasDiscipline() {
		q := &queuedDatagram{d.as(netem.Packet{Flip: -1}), on}
		q.peer = keep(q.peer)
		tag = q
	}
	packets, drop := h.sendLocked(len(d.data), tag)
	switch drop {
	case netem.NotDropped:
	case netem.Queued:
		h.queued++
	default:
		h.traceLocked(trace.Drop, d, 0, drop.String())
	}
	for _, packet := range packets {
		if delay := packet.Arrive - packet.Leave - h.link.Latency; delay > 0 {
			h.traceLocked(trace.Delay, d, delay, "")
		}
	}
	return packets
}

// check returns the error with which a call must fail, or nil.
func (h *packetHalf) check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.checkLocked()
}

// setLink changes the link of this half alone.
func (h *packetHalf) setLink(link *netem.Link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.change(link, h.flow.Name(), h.endpoint.origin) {
		h.flow.Move(&h.line.inner)
	}
	h.interruptLocked()
}

// pathChanged notes that the link of the path has changed.
func (h *packetHalf) pathChanged(link *netem.Link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isShared() {
		h.link = link
		h.interruptLocked()
	}
}

// stall stops everything, until it is called with false.
func (h *packetHalf) stall(stalled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stalled = stalled
	h.interruptLocked()
}

// traceLocked reports an event of a datagram, if the connection is traced.
func (h *packetHalf) traceLocked(kind trace.Kind, d datagram, delay time.Duration, note string) {
	e := h.endpoint
	if e.trace == nil {
		return
	}
	took, payload := delay, ""
	if kind == trace.Data || kind == trace.Drop {
		payload = e.trace.payload(d.data)
	}
	if kind == trace.Data {
		took = max(0, e.now()-d.accepted)
	}
	e.trace.report(e.clock.Now(), h.direction, h.remote(d.peer), trace.Event{Kind: kind, Offset: d.number, Length: len(d.data), Took: took, Note: note, Payload: payload})
}

// remote returns a datagram's peer.
func (h *packetHalf) remote(peer net.Addr) net.Addr {
	if peer == nil {
		return h.conn.RemoteAddr()
	}
	return peer
}
