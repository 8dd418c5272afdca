package simtest_test

import (
	"net"
	"time"

	"github.com/stretchr/testify/require"
)

// A deadliner is a listener with a deadline, as a *net.TCPListener is.
type deadliner interface {
	net.Listener
	SetDeadline(t time.Time) error
}

// patient listens as listen does.
func (w *world) patient() deadliner {
	w.Helper()
	l := w.listen()
	require.Implements(w, (*deadliner)(nil), l)
	return l.(deadliner)
}

// Accepting.
var acceptScenarios = []scenario{
	{"connections are accepted in their order", func(w *world, r *report) {
		l := w.listen()
		var clients []string
		for range 3 {
			clients = append(clients, w.dial("tcp", l.Addr().String()).LocalAddr().String())
			w.arrive()
		}
		for _, client := range clients {
			r.add("next: %t", w.accept(l).RemoteAddr().String() == client)
		}
	}, []string{
		"next: true",
		"next: true",
		"next: true",
	}},
	{"accept a connection that was closed meanwhile", func(w *world, r *report) {
		l := w.listen()
		client := w.dial("tcp", l.Addr().String())
		w.write(client, "last words")
		_ = client.Close()
		w.arrive()
		server := w.accept(l)
		r.read("data", server)
		r.read("end", server)
	}, []string{
		`read data: "last words", ok`,
		`read end: "", EOF`,
	}},
	{"accept a connection that was reset meanwhile", func(w *world, r *report) {
		l := w.listen()
		client := w.dial("tcp", l.Addr().String())
		w.write(client, "last words")
		_ = client.SetLinger(0)
		_ = client.Close()
		w.arrive()
		server := w.accept(l)
		r.read("data", server)
		r.read("end", server)
		r.note("close", server.Close())
	}, []string{
		`read data: "last words", ok`,
		`read end: "", read: read: connection reset by peer`,
		"close: ok",
	}},
	{"a connection wakes a blocked Accept", func(w *world, r *report) {
		l := w.listen()
		w.later(func() { w.dial("tcp", l.Addr().String()) })
		r.accept("", l)
	}, []string{"accept: ok"}},
	{"two accept, and each gets one", func(w *world, r *report) {
		l := w.listen()
		names := make(chan string, 2)
		for range 2 {
			w.wait.Go(func() { names <- w.accept(l).RemoteAddr().String() })
		}
		w.arrive()
		a, b := w.dial("tcp", l.Addr().String()).LocalAddr().String(), w.dial("tcp", l.Addr().String()).LocalAddr().String()
		first, second := <-names, <-names
		r.add("each: %t", first == a && second == b || first == b && second == a)
	}, []string{"each: true"}},
	{"close of a listener wakes a blocked Accept", func(w *world, r *report) {
		l := w.listen()
		w.later(func() { _ = l.Close() })
		r.accept("", l)
	}, []string{"accept: accept: closed"}},
	{"methods of a closed listener", func(w *world, r *report) {
		l := w.patient()
		r.note("close", l.Close())
		r.note("close again", l.Close())
		r.accept("", l)
		r.note("deadline", l.SetDeadline(time.Now()))
		r.add("the address has a port: %t", portOf(l.Addr()) != 0)
	}, []string{
		"close: ok",
		"close again: close: closed",
		"accept: accept: closed",
		"deadline: closed",
		"the address has a port: true",
	}},
	{"close of a listener resets connections that were not accepted", func(w *world, r *report) {
		l := w.listen()
		idle, busy := w.dial("tcp", l.Addr().String()), w.dial("tcp", l.Addr().String())
		w.write(busy, "unread")
		w.arrive()
		r.note("close", l.Close())
		w.arrive()
		r.read("idle", idle)
		r.read("idle again", idle)
		r.write("busy", busy, "x")
		r.write("busy again", busy, "x")
	}, []string{
		"close: ok",
		`read idle: "", read: read: connection reset by peer`,
		`read idle again: "", EOF`,
		"write busy: 0, write: write: connection reset by peer",
		"write busy again: 0, write: write: broken pipe",
	}},
	{"close of a listener leaves accepted connections open", func(w *world, r *report) {
		l := w.listen()
		client := w.dial("tcp", l.Addr().String())
		server := w.accept(l)
		_ = l.Close()
		r.dial("another", "tcp", l.Addr().String())
		w.write(client, "still here")
		r.read("", server)
	}, []string{
		"dial another: dial: connect: connection refused",
		`read: "still here", ok`,
	}},
	{"a listener's deadline in the past", func(w *world, r *report) {
		l := w.patient()
		w.dial("tcp", l.Addr().String())
		r.note("deadline", l.SetDeadline(time.Now().Add(-time.Hour)))
		r.accept("although one waits", l)
		r.note("no deadline", l.SetDeadline(time.Time{}))
		r.accept("the one that waits", l)
	}, []string{
		"deadline: ok",
		"accept although one waits: accept: ErrDeadlineExceeded, a timeout",
		"no deadline: ok",
		"accept the one that waits: ok",
	}},
	{"a listener's deadline in the future", func(w *world, r *report) {
		l := w.patient()
		_ = l.SetDeadline(time.Now().Add(20 * ms))
		r.accept("", l)
		r.accept("again", l)
	}, []string{
		"accept: accept: ErrDeadlineExceeded, a timeout",
		"accept again: accept: ErrDeadlineExceeded, a timeout",
	}},
	{"a listener's deadline set while blocked", func(w *world, r *report) {
		l := w.patient()
		w.later(func() { _ = l.SetDeadline(time.Now()) })
		r.accept("", l)
	}, []string{"accept: accept: ErrDeadlineExceeded, a timeout"}},
	{"a listener's deadline put off while blocked", func(w *world, r *report) {
		l := w.patient()
		_ = l.SetDeadline(time.Now().Add(time.Second))
		w.later(func() {
			_ = l.SetDeadline(time.Now().Add(time.Hour))
			time.Sleep(1100 * ms)
			w.dial("tcp", l.Addr().String())
		})
		r.accept("late", l)
	}, []string{"accept late: ok"}},
	{"addresses in the error of a failed accept", func(w *world, r *report) {
		l := w.patient()
		_ = l.SetDeadline(time.Now())
		_, err := l.Accept()
		r.shape("deadline", err, nil, l.Addr())
		_ = l.Close()
		_, err = l.Accept()
		r.shape("closed", err, nil, l.Addr())
		r.shape("close", l.Close(), nil, l.Addr())
		r.shape("deadline of closed", l.SetDeadline(time.Now()), nil, l.Addr())
	}, []string{
		"deadline: accept tcp, source nothing, address the server",
		"closed: accept tcp, source nothing, address the server",
		"close: close tcp, source nothing, address the server",
		"deadline of closed: poll.errNetClosing",
	}},
}
