package simtest_test

import (
	"context"
	"fmt"
	"net"
	"time"
)

// A fuzzTarget is a dialled address, and the expected outcome.
type fuzzTarget struct {
	network, address string
	host             int // the number of the host; -1 is none
	port             int
	alias            bool   // a name that may not resolve
	always           string // the error in any case; empty for none
}

// alias is a name that resolves to different hosts at different times, or to none.
const alias = "alias"

// target returns an address of a host that should serve.
func (h *fuzzHost) target(host, how int) fuzzTarget {
	other := h.world.hosts[host%len(h.world.hosts)]
	t := fuzzTarget{network: "tcp", host: other.number, port: servedPort}
	switch how % 6 {
	default:
		t.address = other.name + ":1"
	case 1:
		t.address = net.JoinHostPort(other.host.Addr().String(), "1")
	case 2:
		t.address, t.network = net.JoinHostPort(other.host.Addr6().String(), "1"), "tcp6"
	case 3:
		t.address, t.alias = alias+":1", true
	}
	if other == h && how%6 == 1 {
		t.address = "localhost:1"
	}
	return t
}

// oddTarget returns an address that may not exist.
func (h *fuzzHost) oddTarget(host, how int) fuzzTarget {
	t := h.target(host, 0)
	switch how % 6 {
	default:
		t.port = extraPort
	case 3:
		t.port = deadPort
	case 4:
		t.host, t.address, t.always = -1, "10.200.0.1:1", "unreachable"
		return t
	case 5:
		t.host, t.address, t.always = -1, "nobody:1", "dns"
		return t
	}
	t.address = fmt.Sprintf("%s:%d", fuzzHostName(t.host), t.port)
	return t
}

// startDial dials in a goroutine of its own, for a limited time if how says so.
func (h *fuzzHost) startDial(target fuzzTarget, how int) {
	w := h.world
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var deadline time.Duration
	if how&32 != 0 {
		h.dials++
		deadline = now + []time.Duration{0, 10 * ms, time.Second, 10 * time.Second}[how>>6%4] + dialDeadlineSlot + time.Duration(h.dials%16)
		ctx, cancel = context.WithDeadline(ctx, w.time(deadline))
	}
	if len(h.ends)+h.dialing >= maxFuzzEnds/2 {
		cancel()
		return
	}
	h.dialing++
	h.cancels = append(h.cancels, cancel)
	w.start(func() {
		conn, err := h.host.DialContext(ctx, target.network, target.address)
		canceled := ctx.Err() != nil
		cancel()
		w.mu.Lock()
		h.dialing--
		h.sawDial(target, now, deadline, canceled, conn, err)
		h.log.add(w.now(), "dial "+target.address, 0, classify(err))
		w.mu.Unlock()
		if err == nil {
			h.open(conn, false, target.port)
		}
	})
}

// dialTimeout returns the time after which an unanswered dial gives up: its request is
// sent at 0, 1, 3, 7, 15, 31 and 63 s; by TCP at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67
// s.
func (p *fuzzProgram) dialTimeout() time.Duration {
	if p.tcp {
		return 131 * time.Second
	}
	return 127 * time.Second
}

// sawDial checks the result of a dial.
func (h *fuzzHost) sawDial(t fuzzTarget, start, deadline time.Duration, canceled bool, conn net.Conn, err error) {
	m := h.world.model
	now := m.now()
	class := classify(err)
	name := fmt.Sprintf("%s dials %s from %v on: %v", h.name, t.address, start, err)
	if !looksLikeNetError(err, "dial") {
		m.complain("%s is no *net.OpError of a dial", name)
	}
	down := m.hosts[h.number].down
	if t.alias && err == nil {
		t.host = h.world.hostOf(conn.RemoteAddr(), h)
	}
	allowed := true
	switch class {
	case "canceled":
		allowed = canceled
	case "context deadline":
		allowed = deadline != 0 && now == deadline
	case "net down":
		allowed = down.touch(start, now)
	case "closed":
		allowed = m.ending
	case "dns":
		allowed = t.always == class || t.alias || down.touch(start, now)
	case "unreachable":
		allowed = t.always == class
	case "ok":
		if t.always != "" {
			allowed = false
			break
		}
		h.sawDialled(name, t, start)
		allowed = !down.cover(start, now) && m.port(t.host, t.port).listening.touch(start, now)
	case "refused":
		if t.alias {
			break
		}
		port := m.port(t.host, t.port)
		allowed = t.host >= 0 && (!port.listening.cover(start, now) || port.refused.touch(start, now) || m.hosts[t.host].refused.touch(start, now) ||
			m.hosts[t.host].down.touch(start, now))
		h.sawTime(name, t.host, start)
	case "timed out":
		allowed = t.alias || now-start >= m.program.dialTimeout() && (now-start == m.program.dialTimeout() || m.delayed(h.number, t.host, start, now)) &&
			(m.ways[[2]int{h.number, t.host}].lossy || m.ways[[2]int{t.host, h.number}].lossy ||
				m.troubled(h.number, t.host, t.port, start, now) || m.troubled(t.host, h.number, 0, start, now))
	default:
		allowed = false
	}
	if m.probing && (m.program.mend || m.program.calm) {
		allowed = class == "ok" && (m.program.calm || now == start)
	}
	if !allowed {
		m.complain("%s, which cannot be", name)
	}
}

// delayed reports whether something in flight between two hosts may have been delayed
// rather than lost.
func (m *fuzzModel) delayed(a, b int, start, end time.Duration) bool {
	return m.hosts[a].paused.touch(start, end) || m.hosts[b].paused.touch(start, end) ||
		m.ways[[2]int{a, b}].held.touch(start, end) || m.ways[[2]int{b, a}].held.touch(start, end)
}

// sawDialled checks a dial that succeeded.
func (h *fuzzHost) sawDialled(name string, t fuzzTarget, start time.Duration) {
	m := h.world.model
	now := m.now()
	if m.barred(h.number, t.host, t.port, start, now) || m.barred(t.host, h.number, 0, start, now) {
		m.complain("%s, and the network was in the way all the time", name)
	}
	port := m.port(t.host, t.port)
	if port.refused.cover(start, now) || m.hosts[t.host].refused.cover(start, now) {
		m.complain("%s, and it was refused all the time", name)
	}
	h.sawTime(name, t.host, start)
}

// sawTime checks the time that an answer took.
func (h *fuzzHost) sawTime(name string, host int, start time.Duration) {
	m := h.world.model
	took := m.now() - start
	there, back := m.ways[[2]int{h.number, host}], m.ways[[2]int{host, h.number}]
	switch want := there.leastLatency(start, m.now()) + back.leastLatency(start, m.now()); {
	case took < want, m.program.exact() && took != want:
		m.complain("%s: it took %v, and a round trip takes %v", name, took, want)
	}
}
