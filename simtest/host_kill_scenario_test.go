package simtest_test

import (
	"context"
	"io"
	"time"
)

var background = context.Background()

// soon is a deadline after which everything sent has arrived.
func soon() time.Time { return time.Now().Add(50 * ms) }

// What a peer sees when a process is killed.
var killings = []killing{
	{"it has read all", func(v *victim) {
		conn := v.accept()
		_, _ = io.ReadFull(conn, make([]byte, 5))
		v.say("read")
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.write(conn, "hello")
		k.hear()
		k.killNow()
		r.read("end", conn)
		r.write("first", conn, "x")
		k.arrive()
		r.read("after that", conn)
		r.write("second", conn, "x")
	}, []string{
		`read end: "", EOF`,
		"write first: 1, ok",
		`read after that: "", EOF`,
		"write second: 0, write: write: broken pipe",
	}},
	{"it has sent something", func(v *victim) {
		_, _ = io.WriteString(v.accept(), "last words")
		v.say("sent")
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.hear()
		k.killNow()
		r.read("data", conn)
		r.read("end", conn)
	}, []string{
		`read data: "last words", ok`,
		`read end: "", EOF`,
	}},
	{"something is unread", func(v *victim) { v.accept() }, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.write(conn, "hello")
		k.killNow()
		r.read("end", conn)
		r.read("again", conn)
		r.write("then", conn, "x")
	}, []string{
		`read end: "", read: read: connection reset by peer`,
		`read again: "", EOF`,
		"write then: 0, write: write: broken pipe",
	}},
	{"something is unread, and it has sent something", func(v *victim) {
		_, _ = io.WriteString(v.accept(), "last words")
		v.say("sent")
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.hear()
		k.write(conn, "hello")
		k.killNow()
		r.read("data", conn)
		r.read("end", conn)
		r.write("then", conn, "x")
	}, []string{
		`read data: "last words", ok`,
		`read end: "", read: read: connection reset by peer`,
		"write then: 0, write: write: broken pipe",
	}},
	{"something is unread, and the peer has ended", func(v *victim) { v.accept() }, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.write(conn, "hello")
		r.note("CloseWrite", conn.CloseWrite())
		k.killNow()
		r.read("end", conn)
	}, []string{
		"CloseWrite: ok",
		`read end: "", read: read: connection reset by peer`,
	}},
	{"the peer has ended", func(v *victim) {
		_, _ = v.accept().Read(make([]byte, 1))
		v.say("end")
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		r.note("CloseWrite", conn.CloseWrite())
		k.hear()
		k.killNow()
		r.read("end", conn)
		r.read("again", conn)
	}, []string{
		"CloseWrite: ok",
		`read end: "", EOF`,
		`read again: "", EOF`,
	}},
	{"it has ended its stream", func(v *victim) {
		_ = v.accept().CloseWrite()
		v.say("ended")
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.hear()
		r.read("end", conn)
		k.killNow()
		r.read("again", conn)
		r.write("first", conn, "x")
		k.arrive()
		r.write("second", conn, "x")
	}, []string{
		`read end: "", EOF`,
		`read again: "", EOF`,
		"write first: 1, ok",
		"write second: 0, write: write: broken pipe",
	}},
	{"it does not linger", func(v *victim) {
		conn := v.accept()
		_ = conn.SetLinger(0)
		v.say("set")
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.hear()
		k.killNow()
		r.read("end", conn)
	}, []string{
		`read end: "", read: read: connection reset by peer`,
	}},
	{"it has dialled", func(v *victim) {
		conn := must(v.DialContext(background, "tcp", v.hear()))
		_, _ = io.WriteString(conn, "last words")
		v.say("sent")
	}, func(k *killer, r *report) {
		l := k.listenOn(k.client, "tcp", k.client.v4+":0")
		k.say(l.Addr().String())
		conn := k.accept(l)
		k.hear()
		k.killNow()
		r.read("data", conn)
		r.read("end", conn)
		r.write("first", conn, "x")
		k.arrive()
		r.write("second", conn, "x")
	}, []string{
		`read data: "last words", ok`,
		`read end: "", EOF`,
		"write first: 1, ok",
		"write second: 0, write: write: broken pipe",
	}},
	{"it has not accepted", func(v *victim) {
		v.say(must(v.Listen("tcp", v.address+":0")).Addr().String())
	}, func(k *killer, r *report) {
		address := k.hear()
		silent, talker := k.dial("tcp", address), k.dial("tcp", address)
		k.write(talker, "hello")
		k.killNow()
		r.read("of the silent", silent)
		r.read("of the talker", talker)
		r.write("of the silent", silent, "x")
		r.dial("again", "tcp", address)
	}, []string{
		`read of the silent: "", read: read: connection reset by peer`,
		`read of the talker: "", read: read: connection reset by peer`,
		"write of the silent: 0, write: write: broken pipe",
		"dial again: dial: connect: connection refused",
	}},
	{"it has listened", func(v *victim) { v.accept() }, func(k *killer, r *report) {
		address := k.hear()
		k.dial("tcp", address)
		k.hear()
		k.killNow()
		r.dial("once", "tcp", address)
		r.dial("again", "tcp", address)
	}, []string{
		"dial once: dial: connect: connection refused",
		"dial again: dial: connect: connection refused",
	}},
	{"the peer waits in Read", func(v *victim) { v.accept() }, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.later(k.kill)
		r.read("end", conn)
	}, []string{
		`read end: "", EOF`,
	}},
	{"the peer waits in Write", func(v *victim) {
		_, _ = v.accept().Read(make([]byte, 1))
		v.say("has something unread")
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.later(func() {
			k.hear()
			k.kill()
		})
		_, err := conn.Write(make([]byte, 64<<20))
		r.note("write", err)
		r.read("then", conn)
	}, []string{
		"write: write: write: connection reset by peer",
		`read then: "", EOF`,
	}},
	{"it waits in Write", func(v *victim) {
		conn := v.accept()
		v.say("writes")
		_, _ = conn.Write(make([]byte, 64<<20))
	}, func(k *killer, r *report) {
		conn := k.dialVictim()
		k.hear()
		k.killNow()
		r.all("", conn)
		r.write("then", conn, "x")
	}, []string{
		"read all: EOF",
		"write then: 1, ok",
	}},
	{"it has a socket for datagrams", func(v *victim) {
		socket := must(v.ListenPacket("udp", v.address+":0"))
		v.say(socket.LocalAddr().String())
		n, from, _ := socket.ReadFrom(make([]byte, 10))
		_, _ = socket.WriteTo([]byte("answer"), from)
		v.say(string(rune('0' + n)))
	}, func(k *killer, r *report) {
		conn := k.connect(k.hear())
		k.write(conn, "ask")
		k.hear()
		k.killNow()
		r.read("sent before", conn)
		r.write("first", conn, "x")
		k.arrive()
		r.read("answer", conn)
		r.write("second", conn, "x")
		k.arrive()
		r.write("third", conn, "x")
	}, []string{
		`read sent before: "answer", ok`,
		"write first: 1, ok",
		`read answer: "", read: read: connection refused`,
		"write second: 1, ok",
		"write third: 0, write: write: connection refused",
	}},
	{"datagrams are unread", func(v *victim) {
		v.say(must(v.ListenPacket("udp", v.address+":0")).LocalAddr().String())
	}, func(k *killer, r *report) {
		conn := k.connect(k.hear())
		k.write(conn, "ask")
		k.arrive()
		k.killNow()
		r.note("SetReadDeadline", conn.SetReadDeadline(soon()))
		r.read("nothing", conn)
	}, []string{
		"SetReadDeadline: ok",
		`read nothing: "", read: ErrDeadlineExceeded, a timeout`,
	}},
}
