package simtest_test

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// A fuzzEnd is one end of a connection: a reader and a writer, each in its own
// goroutine, which execute orders. They are woken by the network, by their host's
// driver, or by a timer at an instant that nothing else on the host uses.
type fuzzEnd struct {
	host     *fuzzHost
	conn     net.Conn
	accepter bool
	model    *fuzzConn
	number   int // on the host, from 1
	buffer   []byte
	echoes   bool // sends back the bytes that it reads
	hangsUp  bool // closes when there is nothing more to read

	// Guarded by the world's mu.
	changed       sync.Cond
	manner        fuzzManner
	prompt        bool // has always read at once
	orders        []int
	writing       bool
	stopped       bool // everything is over
	closed        bool
	closedAt      time.Duration
	clean         bool // at the close everything was read, and linger was not set
	dirty         bool // at the close something was certainly unread, or linger was set
	readAtClose   int64
	linger        bool
	finished      bool // CloseWrite
	finishedAt    time.Duration
	readClosed    bool
	readEnded     bool // its reader has returned the end
	sawEnd        bool // by an end of the stream
	sawReset      bool // by an error, which only one of its goroutines gets
	readDeadline  time.Duration
	writeDeadline time.Duration

	readDeadlineSet, writeDeadlineSet time.Duration // when

	reads, writes, log fuzzLog
}

// A fuzzManner is how an end reads.
type fuzzManner int

const (
	promptly fuzzManner = iota
	slowly
	never
)

// open starts an end of a connection that was dialled or accepted.
func (h *fuzzHost) open(conn net.Conn, accepter bool, port int) {
	w := h.world
	w.mu.Lock()
	defer w.mu.Unlock()
	number := len(h.ends) + 1
	dialler, server := conn.LocalAddr(), conn.RemoteAddr()
	if accepter {
		dialler, server = server, dialler
	}
	hosts := [2]int{h.number, h.world.hostOf(conn.RemoteAddr(), h)}
	if accepter {
		hosts[0], hosts[1] = hosts[1], hosts[0]
	}
	e := &fuzzEnd{
		host:     h,
		conn:     conn,
		accepter: accepter,
		model:    w.model.connOf(dialler.String(), server.String(), hosts, port),
		number:   number,
		buffer:   make([]byte, []int{64 << 10, 4096, 1000, 200_000}[number%4]),
		echoes:   accepter && number%3 == 0,
		hangsUp:  accepter && number%2 == 0,
		prompt:   port != extraPort, // where connections wait to be accepted
	}
	e.changed.L = &w.mu
	if e.model.ends[e.side()] != nil {
		w.model.complain("%s: a second connection %s", h.name, e.model.id)
	}
	e.model.ends[e.side()] = e
	h.ends = append(h.ends, e)
	w.start(e.readAll)
	w.start(e.writeAll)
}

// mayRead waits until the end is allowed to read, or returns false if it never will be.
func (e *fuzzEnd) mayRead() bool {
	w := e.host.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for e.manner == never && !e.stopped {
		e.changed.Wait()
	}
	return !e.stopped
}

func (e *fuzzEnd) readAll() {
	w := e.host.world
	for e.mayRead() {
		called := w.now()
		n, err := e.conn.Read(e.buffer)
		now := w.now()
		class := classify(err)
		w.mu.Lock()
		e.sawRead(called, e.buffer[:n], err)
		e.reads.add(now, "read", n, class)
		e.sawEnd = e.sawEnd || class == "EOF"
		if class != "deadline" { // which wakes several at one instant
			e.host.log.add(now, fmt.Sprint("reader ", e.number), n, class)
		}
		if class == "deadline" {
			e.readDeadline = 0
		}
		if n > 0 && e.echoes {
			e.orders = append(e.orders, min(n, 100))
			e.changed.Broadcast()
		}
		over := err != nil && class != "deadline"
		e.readEnded = over
		slow := e.manner == slowly
		w.mu.Unlock()
		switch {
		case over && e.hangsUp:
			if e.echoes { // the writer may be about to answer
				time.Sleep(e.ownInstant(5*ms) - now)
			}
			e.close(&e.reads)
			return
		case over:
			return
		case class == "deadline":
			_ = e.conn.SetReadDeadline(time.Time{})
		case slow:
			time.Sleep(e.ownInstant(5*ms) - now)
		}
	}
}

// ownInstant returns a future instant at which nothing happens on the host except
// network events.
func (e *fuzzEnd) ownInstant(d time.Duration) time.Duration {
	return e.host.world.instant(d, e.number)
}

// instant returns a future instant in an exclusive slot of a microsecond on each host:
// drivers have the first slot, and each end has the slot of its number.
func (w *fuzzWorld) instant(d time.Duration, slot int) time.Duration {
	return (w.now() + d).Truncate(time.Microsecond) + time.Duration(slot)
}

// The slots of everything other than ends.
const (
	maxFuzzEnds       = 970
	nameSlot          = 979 // when a slow name lookup ends
	readDeadlineSlot  = 980
	writeDeadlineSlot = 981
	acceptSlot        = 982
	mendSlot          = 983
	dialDeadlineSlot  = 984 // and 15 more
)

func (e *fuzzEnd) nextOrder() (n int, ok bool) {
	w := e.host.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(e.orders) == 0 && !e.stopped {
		e.changed.Wait()
	}
	if e.stopped {
		return 0, false
	}
	n = e.orders[0]
	e.orders = e.orders[1:]
	e.writing = true
	return n, true
}

func (e *fuzzEnd) writeAll() {
	w := e.host.world
	for {
		n, ok := e.nextOrder()
		if !ok {
			return
		}
		w.mu.Lock()
		called := w.now()
		out := e.out()
		data := out.bytes(out.accepted, n)
		out.accepted += int64(n)
		out.writes = append(out.writes, fuzzWrite{called, out.accepted})
		w.mu.Unlock()

		accepted, err := e.conn.Write(data)

		w.mu.Lock()
		class := classify(err)
		e.sawWrite(called, n, accepted, err)
		if w.program.exact() && accepted > 0 {
			out.reference.write(called, accepted)
		}
		e.sawReset = e.sawReset || class == "reset" || class == "pipe"
		e.writes.add(w.now(), "write", accepted, class)
		e.writing = false
		if class == "deadline" {
			e.writeDeadline = 0
		}
		w.mu.Unlock()
		if class == "deadline" {
			_ = e.conn.SetWriteDeadline(time.Time{})
		}
	}
}

// close closes the end.
func (e *fuzzEnd) close(log *fuzzLog) {
	w := e.host.world
	w.mu.Lock()
	now := w.now()
	again := e.closed
	if !again {
		e.closed, e.closedAt = true, now
		e.clean = !e.linger && e.in().read == e.in().accepted
		e.dirty = e.linger || w.program.exact() && e.in().reference.exact() && e.in().reference.arrival(e.in().read) < now
		e.readAtClose = e.in().read
		if !e.out().finished {
			e.out().finished = true
			e.out().reference.finished = now
		}
	}
	w.mu.Unlock()
	class := classify(e.conn.Close())
	w.mu.Lock()
	defer w.mu.Unlock()
	crashed := w.model.hosts[e.host.number].down.touch(e.model.start, now)
	switch {
	case class == "ok" && !again, class == "closed" && (again || crashed || w.model.ending):
	default:
		w.model.complain("%s closes %s: %s; closed before: %v", e.host.name, e.model.id, class, again)
	}
	log.add(now, "close", 0, class)
}
