package simtest_test

import (
	"fmt"
	"sort"
	"time"
)

// A fuzzConn is the model's state of a connection.
type fuzzConn struct {
	model   *fuzzModel
	id      string
	hosts   [2]int         // the dialler's and the accepter's
	port    int            // that was dialled
	ends    [2]*fuzzEnd    // nil: not dialled or accepted yet
	streams [2]*fuzzStream // from the dialler and from the accepter
	start   time.Duration
	broken  bool // by Reset or ResetConn
}

// A fuzzStream is one direction of a connection. Its bytes encode the stream and the
// offset.
type fuzzStream struct {
	pattern  uint64
	writes   []fuzzWrite
	accepted int64 // by the connection; during a write, all of it
	finished bool  // nothing follows
	read     int64

	reference fuzzReference // predicts its arrival, on a calm network
}

// A fuzzWrite is a call of Write: its time, and the length of the stream after it.
type fuzzWrite struct {
	at   time.Duration
	upTo int64
}

// connOf returns the connection between two addresses.
func (m *fuzzModel) connOf(dialler, accepter string, hosts [2]int, port int) *fuzzConn {
	id := fmt.Sprintf("%s %s>%s %s", fuzzHostName(hosts[0]), dialler, fuzzHostName(hosts[1]), accepter)
	c := m.conns[id]
	if c == nil {
		c = &fuzzConn{model: m, id: id, hosts: hosts, port: port, start: m.now()}
		for side := range c.streams {
			pattern := uint64(side + 1)
			for _, b := range []byte(id) {
				pattern = (pattern ^ uint64(b)) * 0x100000001b3
			}
			way := m.ways[[2]int{hosts[side], hosts[1-side]}]
			c.streams[side] = &fuzzStream{pattern: pattern, reference: fuzzReference{link: way.link}}
		}
		m.conns[id] = c
		m.ordered = append(m.ordered, c)
	}
	return c
}

// bytes returns n bytes of the stream from an offset on.
func (s *fuzzStream) bytes(offset int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		at := uint64(offset) + uint64(i)
		word := (s.pattern + at>>3) * 0x9e3779b97f4a7c15
		b[i] = byte((word ^ word>>29) >> (8 * (at & 3)) * (1 + at&7))
	}
	return b
}

// writtenAt returns the time at which the byte at an offset was passed to Write.
func (s *fuzzStream) writtenAt(offset int64) time.Duration {
	i := sort.Search(len(s.writes), func(i int) bool { return s.writes[i].upTo > offset })
	return s.writes[i].at
}

// side returns the end's index in the connection.
func (e *fuzzEnd) side() int {
	if e.accepter {
		return 1
	}
	return 0
}

func (e *fuzzEnd) peer() *fuzzEnd   { return e.model.ends[1-e.side()] }
func (e *fuzzEnd) out() *fuzzStream { return e.model.streams[e.side()] }
func (e *fuzzEnd) in() *fuzzStream  { return e.model.streams[1-e.side()] }

// from and to are the hosts between which an end's incoming bytes travel.
func (e *fuzzEnd) from() int { return e.model.hosts[1-e.side()] }
func (e *fuzzEnd) to() int   { return e.model.hosts[e.side()] }

// faultPort returns the port by which a fault can affect an end, or 0.
func (e *fuzzEnd) faultPort() int {
	if e.accepter {
		return e.model.port
	}
	return 0
}

// mayBeReset reports whether anything has happened that can reset the end.
func (e *fuzzEnd) mayBeReset() bool {
	c, peer := e.model, e.peer()
	m := c.model
	now := m.now()
	return c.broken || m.ending || e.mayTimeOut() || e.mayBeShut() || peer != nil && peer.mayBeShut() ||
		peer == nil && !e.accepter || // a listener that closes resets connections that it has not accepted
		peer != nil && (peer.closed || peer.host.mayHaveCrashed(c.start, now)) ||
		m.hosts[c.hosts[0]].down.touch(c.start, now) || m.hosts[c.hosts[1]].down.touch(c.start, now)
}

// mayBeShut reports whether the end accepts nothing, because both directions are closed
// here, and answers segments with a reset.
func (e *fuzzEnd) mayBeShut() bool { return e.finished && e.readClosed }

// mayBeOver reports whether both directions may have been closed, as known to this end:
// then neither can be closed again, as with a socket.
func (e *fuzzEnd) mayBeOver(now time.Duration) bool {
	in, out := e.in(), e.out()
	if !in.finished || !out.finished {
		return false
	}
	least := func(from, to int, since time.Duration) time.Duration {
		return e.model.model.ways[[2]int{from, to}].leastLatency(since, now)
	}
	if e.model.model.program.exact() {
		return now >= in.reference.end() && now >= out.reference.end()+least(e.from(), e.to(), 0)
	}
	here, sent := in.reference.finished, out.reference.finished
	return now >= here+least(e.from(), e.to(), here) &&
		now >= sent+least(e.to(), e.from(), sent)+least(e.from(), e.to(), sent)
}

// mustBeOver reports whether both directions have certainly been closed. This is only
// known on a calm network, and only after the instant itself.
func (e *fuzzEnd) mustBeOver(now time.Duration) bool {
	return e.model.model.program.exact() && e.in().reference.exact() && e.out().reference.exact() && e.mayBeOver(now-1)
}

// patience returns the least time until an end gives up: 16 timeouts that begin with
// 200 ms and double up to a minute. TCP sends nine probes, one every 15 s.
func (p *fuzzProgram) patience() time.Duration {
	if p.tcp {
		return 9 * 15 * time.Second
	}
	return 522 * time.Second
}

// mayTimeOut reports whether the network was broken for so long that an end can have
// given up.
func (e *fuzzEnd) mayTimeOut() bool {
	c := e.model
	m := c.model
	now := m.now()
	if now-c.start < m.program.patience() {
		return false
	}
	if m.program.tcp && (m.ways[[2]int{c.hosts[0], c.hosts[1]}].lossy || m.ways[[2]int{c.hosts[1], c.hosts[0]}].lossy) {
		return true
	}
	return m.troubled(c.hosts[0], c.hosts[1], c.port, c.start, now) || m.troubled(c.hosts[1], c.hosts[0], 0, c.start, now)
}

// sawRead checks the result of a Read that was called at an instant.
func (e *fuzzEnd) sawRead(called time.Duration, data []byte, err error) {
	c := e.model
	m, in := c.model, e.in()
	now := m.now()
	class := classify(err)
	name := fmt.Sprintf("%s reads on %s", e.host.name, c.id)
	if !looksLikeNetError(err, "read") {
		m.complain("%s: %v is no *net.OpError of a read", name, err)
	}
	if len(data) > 0 {
		e.sawData(name, called, data)
	}
	down := m.hosts[e.to()].down
	allowed := true
	switch class {
	case "ok":
		allowed = len(data) > 0 && !(e.closed && e.closedAt < called) && !down.cover(called, now) && !e.passed(e.readDeadline, now)
	case "EOF":
		allowed = in.finished && in.read == in.accepted || e.readClosed || e.mayBeReset()
		if in.finished && in.read == in.accepted && !e.readClosed && m.program.exact() && e.prompt && !e.mayBeReset() {
			if want := in.reference.end(); now < want || in.reference.exact() && now > want {
				m.complain("%s: the end comes at %v and not at %v", name, now, want)
			}
		}
	case "deadline":
		allowed = e.missed(e.readDeadline, e.readDeadlineSet, called, now)
	case "reset", "pipe":
		allowed = e.mayBeReset() && class == "reset" || class == "pipe" && in.finished
	default:
		allowed = e.mayEndAs(class)
	}
	if !allowed {
		m.complain("%s: %d bytes, %v, which cannot be (at %d of %d, finished %v)", name, len(data), class, in.read, in.accepted, in.finished)
	}
}

// sawData checks bytes that were read.
func (e *fuzzEnd) sawData(name string, called time.Duration, data []byte) {
	c := e.model
	m, in := c.model, e.in()
	now := m.now()
	first, last := in.read, in.read+int64(len(data))-1
	in.read += int64(len(data))
	if last >= in.accepted {
		m.complain("%s: %d bytes up to %d, of which only %d were written", name, len(data), in.read, in.accepted)
		return
	}
	if string(data) != string(in.bytes(first, len(data))) {
		m.complain("%s: %d bytes at %d are not what was written", name, len(data), first)
	}
	way := m.ways[[2]int{e.from(), e.to()}]
	for _, offset := range []int64{first, last} {
		written := in.writtenAt(offset)
		switch {
		case m.barred(e.from(), e.to(), e.faultPort(), written, now):
			m.complain("%s: a byte at %d was written at %v, and nothing can have got here since", name, offset, written)
		case now < written+way.leastLatency(written, now):
			m.complain("%s: a byte at %d was written at %v, and is here before %v have passed", name, offset, written, way.leastLatency(written, now))
		case m.probing && m.program.mend && !m.program.calm && now != written:
			m.complain("%s: a byte at %d was written at %v, and all links are perfect", name, offset, written)
		case !m.program.exact():
		case e.prompt && in.reference.exact() && now != in.reference.arrival(offset) || now < in.reference.arrival(offset):
			m.complain("%s: a byte at %d that was written at %v is here, and not at %v", name, offset, written, in.reference.arrival(offset))
		}
	}
}

// sawWrite checks the result of a Write that was called at an instant.
func (e *fuzzEnd) sawWrite(called time.Duration, want, n int, err error) {
	c := e.model
	m, out := c.model, e.out()
	now := m.now()
	out.accepted += int64(n - want)
	out.writes[len(out.writes)-1].upTo = out.accepted
	class := classify(err)
	name := fmt.Sprintf("%s writes on %s", e.host.name, c.id)
	if !looksLikeNetError(err, "write") {
		m.complain("%s: %v is no *net.OpError of a write", name, err)
	}
	down := m.hosts[e.to()].down
	allowed := true
	switch class {
	case "ok":
		allowed = n == want && !(e.closed && e.closedAt < called) && !(e.finished && e.finishedAt < called) &&
			!down.cover(called, now) && !e.passed(e.writeDeadline, now)
		if m.program.exact() && now != called && out.accepted < 1<<19 {
			m.complain("%s: %d bytes take %v, and there is room for them", name, want, now-called)
		}
	case "deadline":
		allowed = e.missed(e.writeDeadline, e.writeDeadlineSet, called, now)
	case "pipe":
		allowed = e.finished || e.mayBeReset()
	case "reset":
		allowed = e.mayBeReset()
	default:
		allowed = e.mayEndAs(class)
	}
	if !allowed {
		m.complain("%s: %d of %d, %v, which cannot be", name, n, want, class)
	}
}

// mayEndAs reports whether a call may now fail because the connection has ended, with
// an error of a class that reads and writes share.
func (e *fuzzEnd) mayEndAs(class string) bool {
	m := e.model.model
	switch class {
	case "timed out":
		return e.mayTimeOut()
	case "closed":
		return e.closed || m.ending || m.hosts[e.to()].down.touch(e.model.start, m.now())
	}
	return false
}

// passed reports whether a deadline has passed.
func (e *fuzzEnd) passed(deadline, now time.Duration) bool { return deadline != 0 && now >= deadline }

// missed reports whether a call must fail right now, neither earlier nor later, because
// of a deadline that was set at some instant.
func (e *fuzzEnd) missed(deadline, set, called, now time.Duration) bool {
	return deadline != 0 && now == max(deadline, set, called)
}
