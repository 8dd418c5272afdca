package simtest_test

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// Ports. Every host serves on the first, and has a datagram socket on packetPort; on
// the second there is a listener now and then, and on the third never.
const (
	servedPort = 1
	extraPort  = 2
	deadPort   = 3
	packetPort = 9
)

// A fuzzHost is a host with the program that it runs and the driver that does
// its steps.
type fuzzHost struct {
	world  *fuzzWorld
	number int
	name   string
	host   *simtest.Host

	// Guarded by the world's mu.
	ends      []*fuzzEnd
	extra     *fuzzExtra
	cancels   []context.CancelFunc // of dials
	dialing   int                  // the number of dials in progress
	dials     int
	datagrams int            // made, in all
	bytes     int            // written, in all
	sends     int            // of datagrams
	packets   net.PacketConn // on the packetPort
	lives     int            // the number of starts
	dialled   []*fuzzPacketConn
	log       fuzzLog
}

// mayHaveCrashed reports whether the host was down between two instants.
func (h *fuzzHost) mayHaveCrashed(start, end time.Duration) bool {
	return h.world.model.hosts[h.number].down.touch(start, end)
}

// serve is the host's program, which runs again after each restart.
func (h *fuzzHost) serve(ctx context.Context) error {
	w := h.world
	listener, err := h.host.Listen("tcp", ":1")
	var packets net.PacketConn
	if err == nil {
		packets, err = h.host.ListenPacket("udp", ":9")
	}
	w.mu.Lock()
	if err != nil {
		if !w.model.ending {
			w.model.complain("%s cannot start: %v", h.name, err)
		}
		w.mu.Unlock()
		return nil
	}
	h.packets = packets
	h.lives++
	w.model.port(h.number, packetPort).listening.set(w.now(), true)
	w.model.port(h.number, servedPort).listening.set(w.now(), true)
	w.mu.Unlock()
	w.start(func() { h.accept(listener, servedPort, nil) })
	w.start(func() { h.readPackets(packets) })
	<-ctx.Done()
	_, _ = listener.Close(), packets.Close()
	return nil
}

// accept accepts connections until the listener closes, or on an extra listener the
// requested number of them.
func (h *fuzzHost) accept(listener net.Listener, port int, extra *fuzzExtra) {
	for extra.mayAccept(h.world) {
		conn, err := listener.Accept()
		if err != nil {
			if class := classify(err); class != "closed" {
				h.world.complain("%s accepts: %v", h.name, err)
			}
			return
		}
		h.open(conn, true, port)
		if extra != nil { // several may have waited
			time.Sleep(h.world.instant(time.Microsecond, acceptSlot) - h.world.now())
		}
	}
}

// A fuzzExtra is a temporary listener.
type fuzzExtra struct {
	listener net.Listener
	told     sync.Cond
	accepts  int
	over     bool
}

func (e *fuzzExtra) mayAccept(w *fuzzWorld) bool {
	if e == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for e.accepts == 0 && !e.over {
		e.told.Wait()
	}
	e.accepts--
	return true
}

// listenOrClose opens the extra listener, or closes it.
func (h *fuzzHost) listenOrClose() {
	w := h.world
	now := w.now()
	w.mu.Lock()
	down := w.model.hosts[h.number].down
	extra := h.extra
	h.extra = nil
	w.mu.Unlock()
	if extra != nil {
		class := classify(extra.listener.Close())
		w.mu.Lock()
		defer w.mu.Unlock()
		if class != "ok" && !(class == "closed" && down.touch(0, now)) {
			w.model.complain("%s closes a listener: %s", h.name, class)
		}
		w.model.port(h.number, extraPort).listening.set(now, false)
		extra.over = true
		extra.told.Broadcast()
		return
	}
	listener, err := h.host.Listen("tcp", ":2")
	class := classify(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case class == "ok" && !down.cover(now, now):
		extra := &fuzzExtra{listener: listener}
		extra.told.L = &w.mu
		h.extra = extra
		w.model.port(h.number, extraPort).listening.set(now, true)
		w.start(func() { h.accept(listener, extraPort, extra) })
	case class == "net down" && down.touch(now, now):
	default:
		w.model.complain("%s listens: %s, down: %v", h.name, class, down)
	}
	h.log.add(now, "listen", 0, class)
}

// do performs one step.
func (h *fuzzHost) do(s fuzzStep) {
	w := h.world
	a, b := int(s.a), int(s.b)
	switch s.kind {
	case "dial":
		h.startDial(h.target(a, b), b)
	case "dial-odd":
		h.startDial(h.oddTarget(a, b), b)
	case "dial-two":
		h.startDial(h.target(a, 0), b)
		h.startDial(h.target(a+1, 1), b>>4)
	case "cancel":
		w.mu.Lock()
		cancels := h.cancels
		h.cancels = nil
		w.mu.Unlock()
		if len(cancels) > 0 {
			cancels[a%len(cancels)]()
		}
	case "listen":
		h.listenOrClose()
	case "accept":
		w.mu.Lock()
		if h.extra != nil {
			h.extra.accepts += 1 + a%4
			h.extra.told.Broadcast()
		}
		w.mu.Unlock()
	case "write-all", "stop":
		w.mu.Lock()
		ends := h.ends[max(0, len(h.ends)-8):]
		w.mu.Unlock()
		for _, e := range ends {
			if s.kind == "stop" {
				e.do("manner", int(never))
			} else {
				e.do("write", b%8)
			}
		}
	case "packet":
		for range 1 + b>>6&1 {
			h.sendPacket(a%w.program.hosts, b)
		}
	case "packet-dial", "packet-write", "packet-close":
		h.doPackets(s.kind, a, b)
	default:
		w.mu.Lock()
		var e *fuzzEnd
		if len(h.ends) > 0 {
			e = h.ends[len(h.ends)-1-min(a%8, a%len(h.ends))] // usually a recent one
		}
		w.mu.Unlock()
		if e != nil {
			e.do(s.kind, b)
		}
	}
}

// fuzzSizes are the sizes of writes.
var fuzzSizes = [16]int{0, 1, 2, 10, 100, 699, 700, 1400, 1500, 1501, 5000, 20000, 65536, 100000, 1<<20 + 5000, 7 << 18}

// fuzzBudget and calmBudget are the most bytes that are written in one direction of a
// connection.
const fuzzBudget, calmBudget = 3 << 20, 1 << 18

// do performs a step of an end.
func (e *fuzzEnd) do(kind string, b int) {
	w := e.host.world
	now := w.now()
	switch kind {
	case "write":
		w.mu.Lock()
		defer w.mu.Unlock()
		budget := int64(fuzzBudget)
		if w.program.calm {
			budget = calmBudget
		}
		if n := fuzzSizes[b%16]; e.out().accepted+int64(n) <= budget && e.host.spend(n) {
			e.orders = append(e.orders, n)
			e.changed.Broadcast()
		}
	case "close":
		e.close(&e.log)
	case "manner":
		w.mu.Lock()
		defer w.mu.Unlock()
		e.setManner(fuzzManner(b % 3))
	case "linger":
		w.mu.Lock()
		e.linger = true
		w.mu.Unlock()
		e.check("sets linger", e.conn.(half).SetLinger(0))
	case "close-write", "close-read":
		e.closeHalf(kind == "close-write")
	case "read-deadline", "write-deadline":
		d := []time.Duration{-time.Second, 0, 0, ms, 10 * ms, 100 * ms, time.Second, time.Minute}[b%8]
		at := now + d
		w.mu.Lock()
		if kind == "read-deadline" {
			at += readDeadlineSlot
			e.readDeadline, e.readDeadlineSet = at, now
		} else {
			at += writeDeadlineSlot
			e.writeDeadline, e.writeDeadlineSet = at, now
		}
		w.mu.Unlock()
		if kind == "read-deadline" {
			e.check(kind, e.conn.SetReadDeadline(w.time(at)))
		} else {
			e.check(kind, e.conn.SetWriteDeadline(w.time(at)))
		}
	}
}

func (e *fuzzEnd) setManner(manner fuzzManner) {
	e.manner = manner
	e.prompt = e.prompt && manner == promptly
	e.changed.Broadcast()
}

// closeHalf closes one direction.
func (e *fuzzEnd) closeHalf(write bool) {
	w := e.host.world
	now := w.now()
	w.mu.Lock()
	if write {
		if !e.finished {
			e.finished, e.finishedAt = true, now
		}
		if !e.out().finished {
			e.out().finished = true
			e.out().reference.finished = now
		}
	} else {
		e.readClosed = true
	}
	w.mu.Unlock()
	if write {
		e.check("closes for writing", e.conn.(half).CloseWrite())
	} else {
		e.check("closes for reading", e.conn.(half).CloseRead())
	}
}

// check checks the error of a call that only fails on an end that is closed or was
// reset.
func (e *fuzzEnd) check(what string, err error) {
	w := e.host.world
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	class := classify(err)
	half := what == "closes for writing" || what == "closes for reading"
	switch {
	case class == "ok" && !(e.closed && e.closedAt < now) && !(half && e.mustBeOver(now)):
	case class == "closed" && (e.closed || w.model.ending || w.model.hosts[e.host.number].down.touch(e.model.start, now)):
	case class == "not connected" && half && (e.mayBeReset() || e.mayBeOver(now)):
	default:
		w.model.complain("%s %s on %s: %s", e.host.name, what, e.model.id, class)
	}
	e.log.add(now, what, 0, class)
}
