package simtest_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// Bytes of TCP connections, and the ends of a stream.
var streamScenarios = []scenario{
	{"bytes arrive in order", onPair(func(p *pair, r *report) {
		p.write(p.client, "one ")
		p.write(p.client, "two")
		p.arrive()
		r.read("both", p.server)
	}), []string{"read both: \"one two\", ok"}},
	{"both directions", onPair(func(p *pair, r *report) {
		p.write(p.client, "there")
		r.read("at the server", p.server)
		p.write(p.server, "and back")
		r.read("at the client", p.client)
	}), []string{
		`read at the server: "there", ok`,
		`read at the client: "and back", ok`,
	}},
	{"a small buffer reads in pieces", onPair(func(p *pair, r *report) {
		p.write(p.client, "poetry")
		p.arrive()
		r.read("a piece", io.LimitReader(p.server, 4))
		r.read("the rest", p.server)
	}), []string{
		`read a piece: "poet", ok`,
		`read the rest: "ry", ok`,
	}},
	{"empty reads and writes", onPair(func(p *pair, r *report) {
		r.write("empty", p.client, "")
		n, err := p.client.Read(nil)
		r.add("read empty: %d, %s", n, describe(err))
		_ = p.server.Close()
		p.arrive()
		n, err = p.client.Read(nil)
		r.add("read empty at the end: %d, %s", n, describe(err))
	}), []string{
		"write empty: 0, ok",
		"read empty: 0, ok",
		"read empty at the end: 0, ok",
	}},
	{"a full window blocks the writer until its deadline", onPair(func(p *pair, r *report) {
		_ = p.client.SetWriteDeadline(time.Now().Add(100 * ms))
		n, err := p.client.Write(make([]byte, 64<<20))
		r.add("not all: %t, %s", n < 64<<20, describe(err))
		r.write("more", p.client, "x")
	}), []string{
		"not all: true, write: ErrDeadlineExceeded, a timeout",
		"write more: 0, write: ErrDeadlineExceeded, a timeout",
	}},
	{"bytes written before the deadline can be read", onPair(func(p *pair, r *report) {
		_ = p.client.SetWriteDeadline(time.Now().Add(100 * ms))
		n, err := p.client.Write(make([]byte, 64<<20))
		r.note("write", err)
		_ = p.client.Close()
		received, err := io.Copy(io.Discard, p.server)
		r.add("all of it: %t, %s", n == int(received), describe(err))
	}), []string{
		"write: write: ErrDeadlineExceeded, a timeout",
		"all of it: true, ok",
	}},
	{"a reader makes room for a blocked writer", onPair(func(p *pair, r *report) {
		p.wait.Go(func() {
			_, err := p.client.Write(make([]byte, 16<<20))
			p.assertNoError(err)
			_ = p.client.Close()
		})
		n, err := io.Copy(io.Discard, p.server)
		r.add("read: %d, %s", n, describe(err))
	}), []string{"read: 16777216, ok"}},
	{"much in both directions at once", onPair(func(p *pair, r *report) {
		const size = 8 << 20
		var read [2]int64
		var wait sync.WaitGroup
		for i, conn := range []stream{p.client, p.server} {
			wait.Go(func() {
				_, err := conn.Write(make([]byte, size))
				p.assertNoError(err)
				p.assertNoError(conn.CloseWrite())
			})
			wait.Go(func() { read[i], _ = io.Copy(io.Discard, conn) })
		}
		wait.Wait()
		r.add("client: %d, server: %d", read[0], read[1])
	}), []string{"client: 8388608, server: 8388608"}},
	{"bytes of two writers do not mix", onPair(func(p *pair, r *report) {
		for _, s := range []string{"a", "b"} {
			p.wait.Go(func() {
				_, err := io.WriteString(p.client, strings.Repeat(s, 4<<20))
				p.assertNoError(err)
			})
		}
		data := make([]byte, 8<<20)
		_, err := io.ReadFull(p.server, data)
		require.NoError(p, err)
		r.add("changes: %d", bytes.Count(data, []byte("ab"))+bytes.Count(data, []byte("ba")))
	}), []string{"changes: 1"}},
	{"data comes before the close", onPair(func(p *pair, r *report) {
		p.write(p.client, "last words")
		r.note("close", p.client.Close())
		r.read("data", p.server)
		r.read("end", p.server)
		r.read("end again", p.server)
	}), []string{
		"close: ok",
		`read data: "last words", ok`,
		`read end: "", EOF`,
		`read end again: "", EOF`,
	}},
	{"the peer's close wakes a reader", onPair(func(p *pair, r *report) {
		p.later(func() { _ = p.server.Close() })
		r.read("blocked", p.client)
	}), []string{"read blocked: \"\", EOF"}},
	{"half-close, and the other direction continues", onPair(func(p *pair, r *report) {
		p.write(p.client, "question")
		r.note("CloseWrite", p.client.CloseWrite())
		r.write("after CloseWrite", p.client, "more")
		r.read("question", p.server)
		r.read("end", p.server)
		p.write(p.server, "answer")
		r.read("answer", p.client)
	}), []string{
		"CloseWrite: ok",
		"write after CloseWrite: 0, write: write: broken pipe",
		`read question: "question", ok`,
		`read end: "", EOF`,
		`read answer: "answer", ok`,
	}},
	{"half-close by the server", onPair(func(p *pair, r *report) {
		r.note("CloseWrite", p.server.CloseWrite())
		r.read("end", p.client)
		p.write(p.client, "still here")
		r.read("data", p.server)
	}), []string{
		"CloseWrite: ok",
		`read end: "", EOF`,
		`read data: "still here", ok`,
	}},
	{"half-close of both ends", onPair(func(p *pair, r *report) {
		r.note("client", p.client.CloseWrite())
		r.note("server", p.server.CloseWrite())
		r.read("at the client", p.client)
		r.read("at the server", p.server)
		r.note("close of the client", p.client.Close())
		r.note("close of the server", p.server.Close())
	}), []string{
		"client: ok",
		"server: ok",
		`read at the client: "", EOF`,
		`read at the server: "", EOF`,
		"close of the client: ok",
		"close of the server: ok",
	}},
	{"half-close of both ends, and more", onPair(func(p *pair, r *report) {
		_ = p.client.CloseWrite()
		_ = p.server.CloseWrite()
		p.arrive()
		r.note("CloseWrite", p.client.CloseWrite())
		r.note("CloseRead", p.client.CloseRead())
		r.write("", p.client, "x")
		r.read("", p.client)
	}), []string{
		"CloseWrite: close: shutdown: transport endpoint is not connected",
		"CloseRead: close: shutdown: transport endpoint is not connected",
		"write: 0, write: write: broken pipe",
		`read: "", EOF`,
	}},
	{"CloseWrite twice", onPair(func(p *pair, r *report) {
		r.note("first", p.client.CloseWrite())
		r.note("second", p.client.CloseWrite())
	}), []string{
		"first: ok",
		"second: ok",
	}},
	{"CloseWrite wakes a blocked writer", onPair(func(p *pair, r *report) {
		p.later(func() { _ = p.client.CloseWrite() })
		_, err := p.client.Write(make([]byte, 64<<20))
		r.note("blocked", err)
	}), []string{"blocked: write: write: broken pipe"}},
	{"CloseRead ends reading", onPair(func(p *pair, r *report) {
		r.note("CloseRead", p.client.CloseRead())
		r.read("after", p.client)
		r.write("still", p.client, "possible")
		r.read("at the server", p.server)
	}), []string{
		"CloseRead: ok",
		`read after: "", EOF`,
		"write still: 8, ok",
		`read at the server: "possible", ok`,
	}},
	{"CloseRead keeps bytes that have arrived", onPair(func(p *pair, r *report) {
		p.write(p.server, "before")
		p.arrive()
		r.note("CloseRead", p.client.CloseRead())
		r.read("", p.client)
		r.read("then", p.client)
	}), []string{
		"CloseRead: ok",
		`read: "before", ok`,
		`read then: "", EOF`,
	}},
	{"bytes that arrive after CloseRead", onPair(func(p *pair, r *report) {
		_ = p.client.CloseRead()
		r.write("at the server", p.server, "after")
		p.arrive()
		r.read("", p.client)
		r.read("then", p.client)
		r.write("at the server again", p.server, "x")
	}), []string{
		"write at the server: 5, ok",
		`read: "after", ok`,
		`read then: "", EOF`,
		"write at the server again: 1, ok",
	}},
	{"CloseRead wakes a reader", onPair(func(p *pair, r *report) {
		p.later(func() { _ = p.client.CloseRead() })
		r.read("blocked", p.client)
	}), []string{"read blocked: \"\", EOF"}},
	{"CloseRead twice", onPair(func(p *pair, r *report) {
		r.note("first", p.client.CloseRead())
		r.note("second", p.client.CloseRead())
	}), []string{
		"first: ok",
		"second: ok",
	}},
	{"CloseRead after the peer has closed", onPair(func(p *pair, r *report) {
		_ = p.server.Close()
		p.arrive()
		r.note("CloseRead", p.client.CloseRead())
		r.note("CloseWrite", p.client.CloseWrite())
		p.arrive()
		r.note("CloseWrite again", p.client.CloseWrite())
	}), []string{
		"CloseRead: ok",
		"CloseWrite: ok",
		"CloseWrite again: close: shutdown: transport endpoint is not connected",
	}},
	{"addresses in the errors of a connection", onPair(func(p *pair, r *report) {
		client, server := p.client.LocalAddr(), p.client.RemoteAddr()
		_ = p.client.SetReadDeadline(time.Now())
		_, err := p.client.Read(make([]byte, 1))
		r.shape("deadline", err, client, server)
		_ = p.client.CloseWrite()
		_, err = p.client.Write([]byte("x"))
		r.shape("broken pipe", err, client, server)
		_ = p.client.Close()
		_, err = p.client.Read(make([]byte, 1))
		r.shape("read of closed", err, client, server)
		_, err = p.client.Write([]byte("x"))
		r.shape("write of closed", err, client, server)
		r.shape("close", p.client.Close(), client, server)
		r.shape("CloseRead", p.client.CloseRead(), client, server)
		r.shape("CloseWrite", p.client.CloseWrite(), client, server)
		r.shape("SetDeadline", p.client.SetDeadline(time.Now()), client, server)
		r.shape("SetReadDeadline", p.client.SetReadDeadline(time.Now()), client, server)
		r.shape("SetLinger", p.client.SetLinger(0), client, server)
		_, err = p.server.Read(make([]byte, 1))
		r.add("the peer: %s", describe(err))
	}), []string{
		"deadline: read tcp, source the client, address the server",
		"broken pipe: write tcp, source the client, address the server",
		"read of closed: read tcp, source the client, address the server",
		"write of closed: write tcp, source the client, address the server",
		"close: close tcp, source the client, address the server",
		"CloseRead: close tcp, source the client, address the server",
		"CloseWrite: close tcp, source the client, address the server",
		"SetDeadline: set tcp, source nothing, address the client",
		"SetReadDeadline: set tcp, source nothing, address the client",
		"SetLinger: set tcp, source the client, address the server",
		"the peer: EOF",
	}},
	{"networks in errors of connections", func(w *world, r *report) {
		w.needIPv6()
		for _, network := range []string{"tcp", "tcp4", "tcp6"} {
			host := w.server.v4
			if network == "tcp6" {
				host = w.server.v6
			}
			l := w.listenOn(w.server, network, net.JoinHostPort(host, "0"))
			client := w.dial(network, l.Addr().String())
			server := w.accept(l)
			_, _, _ = client.Close(), server.Close(), l.Close()
			r.shape("client", client.Close(), client.LocalAddr(), l.Addr())
			r.shape("server", server.Close(), client.LocalAddr(), l.Addr())
			r.shape("listener", l.Close(), client.LocalAddr(), l.Addr())
			r.add("%s %s %s", client.LocalAddr().Network(), server.LocalAddr().Network(), l.Addr().Network())
		}
	}, []string{
		"client: close tcp, source the client, address the server",
		"server: close tcp, source the server, address the client",
		"listener: close tcp, source nothing, address the server",
		"tcp tcp tcp",
		"client: close tcp4, source the client, address the server",
		"server: close tcp4, source the server, address the client",
		"listener: close tcp4, source nothing, address the server",
		"tcp tcp tcp",
		"client: close tcp6, source the client, address the server",
		"server: close tcp6, source the server, address the client",
		"listener: close tcp6, source nothing, address the server",
		"tcp tcp tcp",
	}},
}
