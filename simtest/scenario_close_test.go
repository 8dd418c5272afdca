package simtest_test

import (
	"net"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// Close, and resets.
var closeScenarios = []scenario{
	{"methods of a closed connection", onPair(func(p *pair, r *report) {
		r.note("close", p.client.Close())
		r.note("close again", p.client.Close())
		r.read("", p.client)
		_, err := p.client.Read(nil)
		r.note("read empty", err)
		r.write("", p.client, "x")
		r.write("empty", p.client, "")
		r.note("deadline", p.client.SetDeadline(time.Now()))
		r.note("read deadline", p.client.SetReadDeadline(time.Now()))
		r.note("write deadline", p.client.SetWriteDeadline(time.Now()))
		r.note("CloseWrite", p.client.CloseWrite())
		r.note("CloseRead", p.client.CloseRead())
		r.note("linger", p.client.SetLinger(0))
		r.add("addresses: %t", p.client.LocalAddr().String() == p.server.RemoteAddr().String())
	}), []string{
		"close: ok",
		"close again: close: closed",
		`read: "", read: closed`,
		"read empty: read: closed",
		"write: 0, write: closed",
		"write empty: 0, write: closed",
		"deadline: set: closed",
		"read deadline: set: closed",
		"write deadline: set: closed",
		"CloseWrite: close: closed",
		"CloseRead: close: closed",
		"linger: set: closed",
		"addresses: true",
	}},
	{"close wakes a reader", onPair(func(p *pair, r *report) {
		p.later(func() { _ = p.client.Close() })
		r.read("blocked", p.client)
	}), []string{"read blocked: \"\", read: closed"}},
	{"close wakes two readers", onPair(func(p *pair, r *report) {
		results := make(chan string, 2)
		for range 2 {
			p.wait.Go(func() {
				_, err := p.client.Read(make([]byte, 1))
				results <- describe(err)
			})
		}
		p.arrive()
		_ = p.client.Close()
		r.add("%s, %s", <-results, <-results)
	}), []string{"read: closed, read: closed"}},
	{"close wakes a writer", onPair(func(p *pair, r *report) {
		p.later(func() { _ = p.client.Close() })
		_, err := p.client.Write(make([]byte, 64<<20))
		r.note("blocked", err)
	}), []string{"blocked: write: closed"}},
	{"close with something unread resets the peer", onPair(func(p *pair, r *report) {
		p.write(p.client, "unread")
		p.arrive()
		r.note("close", p.server.Close())
		p.arrive()
		r.read("first", p.client)
		r.read("second", p.client)
		r.write("then", p.client, "x")
	}), []string{
		"close: ok",
		`read first: "", read: read: connection reset by peer`,
		`read second: "", EOF`,
		"write then: 0, write: write: broken pipe",
	}},
	{"close with some of it unread resets the peer", onPair(func(p *pair, r *report) {
		p.write(p.client, "unread")
		_, err := p.server.Read(make([]byte, 5))
		r.note("read", err)
		r.note("close", p.server.Close())
		r.read("", p.client)
	}), []string{
		"read: ok",
		"close: ok",
		`read: "", read: read: connection reset by peer`,
	}},
	{"close with nothing but the end unread does not reset", onPair(func(p *pair, r *report) {
		_ = p.client.CloseWrite()
		p.arrive()
		r.note("close", p.server.Close())
		p.arrive()
		r.read("", p.client)
	}), []string{
		"close: ok",
		`read: "", EOF`,
	}},
	{"close with something unread after CloseRead", onPair(func(p *pair, r *report) {
		_ = p.server.CloseRead()
		p.write(p.client, "unread")
		p.arrive()
		r.note("close", p.server.Close())
		r.read("", p.client)
	}), []string{
		"close: ok",
		`read: "", read: read: connection reset by peer`,
	}},
	{"close with something unread after CloseWrite", onPair(func(p *pair, r *report) {
		p.write(p.server, "answer")
		_ = p.server.CloseWrite()
		p.write(p.client, "unread")
		p.arrive()
		r.note("close", p.server.Close())
		p.arrive()
		r.read("answer", p.client)
		r.read("then", p.client)
		r.write("then", p.client, "x")
	}), []string{
		"close: ok",
		`read answer: "answer", ok`,
		`read then: "", EOF`,
		"write then: 0, write: write: broken pipe",
	}},
	{"a writer gets a reset once", onPair(func(p *pair, r *report) {
		p.write(p.client, "unread")
		p.arrive()
		_ = p.server.Close()
		p.arrive()
		r.write("first", p.client, "x")
		r.write("second", p.client, "x")
		r.read("then", p.client)
	}), []string{
		"write first: 0, write: write: connection reset by peer",
		"write second: 0, write: write: broken pipe",
		`read then: "", EOF`,
	}},
	{"data that arrived before a reset can be read", onPair(func(p *pair, r *report) {
		p.write(p.client, "unread")
		p.write(p.server, "answer")
		p.arrive()
		_ = p.server.Close()
		p.arrive()
		r.read("data", p.client)
		r.read("then", p.client)
	}), []string{
		`read data: "answer", ok`,
		`read then: "", read: read: connection reset by peer`,
	}},
	{"linger of zero makes close a reset", onPair(func(p *pair, r *report) {
		r.note("linger", p.server.SetLinger(0))
		r.note("close", p.server.Close())
		r.read("", p.client)
	}), []string{
		"linger: ok",
		"close: ok",
		`read: "", read: read: connection reset by peer`,
	}},
	{"linger turned off again makes close an ordinary close", onPair(func(p *pair, r *report) {
		r.note("linger", p.server.SetLinger(0))
		r.note("no linger", p.server.SetLinger(-1))
		r.note("close", p.server.Close())
		r.read("", p.client)
	}), []string{
		"linger: ok",
		"no linger: ok",
		"close: ok",
		`read: "", EOF`,
	}},
	{"linger of some seconds delivers", onPair(func(p *pair, r *report) {
		r.note("linger", p.server.SetLinger(5))
		p.write(p.server, "last words")
		r.note("close", p.server.Close())
		r.read("data", p.client)
		r.read("end", p.client)
	}), []string{
		"linger: ok",
		"close: ok",
		`read data: "last words", ok`,
		`read end: "", EOF`,
	}},
	{"a reset wakes a reader", onPair(func(p *pair, r *report) {
		p.later(func() { _, _ = p.server.SetLinger(0), p.server.Close() })
		r.read("blocked", p.client)
	}), []string{"read blocked: \"\", read: read: connection reset by peer"}},
	{"a reset wakes a writer", onPair(func(p *pair, r *report) {
		p.later(func() { _, _ = p.server.SetLinger(0), p.server.Close() })
		_, err := p.client.Write(make([]byte, 64<<20))
		r.note("blocked", err)
	}), []string{"blocked: write: write: connection reset by peer"}},
	{"one of a reader and a writer gets a reset", onPair(func(p *pair, r *report) {
		p.later(func() { _, _ = p.server.SetLinger(0), p.server.Close() })
		heard := make(chan string)
		go func() {
			_, err := p.client.Read(make([]byte, 1))
			heard <- describe(err)
		}()
		_, err := p.client.Write(make([]byte, 64<<20))
		read, wrote := <-heard, describe(err)
		r.add("reader: %t", read == "read: read: connection reset by peer" || read == "EOF")
		r.add("writer: %t", wrote == "write: write: connection reset by peer" || wrote == "write: write: broken pipe")
		r.add("one: %t", strings.Contains(read, "reset") != strings.Contains(wrote, "reset"))
	}), []string{"reader: true", "writer: true", "one: true"}},
	{"the next call gets a reset that came while idle", onPair(func(p *pair, r *report) {
		_, _ = p.server.SetLinger(0), p.server.Close()
		p.arrive()
		r.read("first", p.client)
		r.read("second", p.client)
		r.write("then", p.client, "x")
		r.note("close", p.client.Close())
		r.note("close again", p.client.Close())
	}), []string{
		`read first: "", read: read: connection reset by peer`,
		`read second: "", EOF`,
		"write then: 0, write: write: broken pipe",
		"close: ok",
		"close again: close: closed",
	}},
	{"a reset after the end of the stream", onPair(func(p *pair, r *report) {
		_ = p.server.CloseWrite()
		p.arrive()
		_, _ = p.server.SetLinger(0), p.server.Close()
		p.arrive()
		r.read("", p.client)
		r.write("first", p.client, "x")
		r.write("second", p.client, "x")
	}), []string{
		`read: "", EOF`,
		"write first: 0, write: write: broken pipe",
		"write second: 0, write: write: broken pipe",
	}},
	{"a deadline in the past hides a reset", onPair(func(p *pair, r *report) {
		_, _ = p.server.SetLinger(0), p.server.Close()
		p.arrive()
		_ = p.client.SetDeadline(time.Now().Add(-time.Hour))
		r.read("", p.client)
		_ = p.client.SetDeadline(time.Time{})
		r.read("taken away", p.client)
	}), []string{
		`read: "", read: ErrDeadlineExceeded, a timeout`,
		`read taken away: "", read: read: connection reset by peer`,
	}},
	{"half-close of a reset connection", onPair(func(p *pair, r *report) {
		_ = p.server.SetLinger(0)
		_ = p.server.Close()
		p.arrive()
		r.note("CloseWrite", p.client.CloseWrite())
		r.note("CloseRead", p.client.CloseRead())
		r.note("deadline", p.client.SetDeadline(time.Time{}))
		r.note("linger", p.client.SetLinger(0))
		r.note("close", p.client.Close())
	}), []string{
		"CloseWrite: close: shutdown: transport endpoint is not connected",
		"CloseRead: close: shutdown: transport endpoint is not connected",
		"deadline: ok",
		"linger: ok",
		"close: ok",
	}},
	{"write after the peer has closed", onPair(func(p *pair, r *report) {
		_ = p.server.Close()
		p.arrive()
		r.write("first", p.client, "x")
		p.arrive()
		r.write("second", p.client, "x")
		r.read("then", p.client)
	}), []string{
		"write first: 1, ok",
		"write second: 0, write: write: broken pipe",
		`read then: "", EOF`,
	}},
	{"read an answer after a write that came too late", onPair(func(p *pair, r *report) {
		p.write(p.server, "answer")
		_ = p.server.Close()
		p.arrive()
		r.write("too late", p.client, "x")
		p.arrive()
		r.read("answer", p.client)
		r.read("then", p.client)
		r.write("again", p.client, "x")
	}), []string{
		"write too late: 1, ok",
		`read answer: "answer", ok`,
		`read then: "", EOF`,
		"write again: 0, write: write: broken pipe",
	}},
	{"close after the peer has closed", onPair(func(p *pair, r *report) {
		_ = p.server.Close()
		p.arrive()
		r.note("close", p.client.Close())
	}), []string{"close: ok"}},
	{"both close at once", onPair(func(p *pair, r *report) {
		results := make(chan string, 2)
		for _, conn := range []stream{p.client, p.server} {
			p.wait.Go(func() { results <- describe(conn.Close()) })
		}
		r.add("%s, %s", <-results, <-results)
	}), []string{"ok, ok"}},
	{"both close at once with something unread", onPair(func(p *pair, r *report) {
		p.write(p.client, "unread")
		p.write(p.server, "unread")
		p.arrive()
		results := make(chan string, 2)
		for _, conn := range []stream{p.client, p.server} {
			p.wait.Go(func() { results <- describe(conn.Close()) })
		}
		r.add("%s, %s", <-results, <-results)
	}), []string{"ok, ok"}},
	{"both half-close at once, with data in front", onPair(func(p *pair, r *report) {
		for _, conn := range []stream{p.client, p.server} {
			p.wait.Go(func() {
				p.write(conn, "last words")
				_ = conn.CloseWrite()
			})
		}
		p.wait.Wait()
		p.arrive()
		for _, conn := range []stream{p.client, p.server} {
			r.read("data", conn)
			r.read("end", conn)
		}
	}), []string{
		`read data: "last words", ok`,
		`read end: "", EOF`,
		`read data: "last words", ok`,
		`read end: "", EOF`,
	}},
	{"data for an end that is closed for reading only", onPair(func(p *pair, r *report) {
		r.note("CloseRead", p.client.CloseRead())
		for range 2 {
			p.write(p.server, "data")
			p.arrive()
			r.read("", p.client)
		}
		r.read("nothing", p.client)
		p.write(p.client, "answer")
		r.read("answer", p.server)
	}), []string{
		"CloseRead: ok",
		`read: "data", ok`,
		`read: "data", ok`,
		`read nothing: "", EOF`,
		`read answer: "answer", ok`,
	}},
	{"data for an end that is closed in both directions", onPair(func(p *pair, r *report) {
		r.note("CloseWrite", p.client.CloseWrite())
		r.note("CloseRead", p.client.CloseRead())
		p.afterShutdown(r)
		r.note("CloseWrite again", p.client.CloseWrite())
		r.note("CloseRead again", p.client.CloseRead())
		r.note("close", p.client.Close())
	}), []string{
		"CloseWrite: ok",
		"CloseRead: ok",
		"write late: 4, ok",
		`read first: "", read: read: connection reset by peer`,
		`read second: "", EOF`,
		"write later: 0, write: write: broken pipe",
		"write then: 0, write: write: broken pipe",
		`read the other: "", EOF`,
		"CloseWrite again: close: shutdown: transport endpoint is not connected",
		"CloseRead again: close: shutdown: transport endpoint is not connected",
		"close: ok",
	}},
	{"data for an end that is closed in both directions, for reading first", onPair(func(p *pair, r *report) {
		r.note("CloseRead", p.client.CloseRead())
		r.note("CloseWrite", p.client.CloseWrite())
		p.afterShutdown(r)
	}), []string{
		"CloseRead: ok",
		"CloseWrite: ok",
		"write late: 4, ok",
		`read first: "", read: read: connection reset by peer`,
		`read second: "", EOF`,
		"write later: 0, write: write: broken pipe",
		"write then: 0, write: write: broken pipe",
		`read the other: "", EOF`,
	}},
	{"data before and after an end is closed in both directions", onPair(func(p *pair, r *report) {
		p.write(p.client, "last words")
		p.write(p.server, "early")
		p.arrive()
		_, err := p.client.Read(make([]byte, 1))
		r.note("some of it", err)
		r.note("CloseWrite", p.client.CloseWrite())
		p.write(p.server, ", between")
		p.arrive()
		r.note("CloseRead", p.client.CloseRead())
		r.write("late", p.server, "late")
		p.arrive()
		r.read("the rest", p.client)
		r.read("then", p.client)
		r.read("at last", p.client)
		r.read("the other", p.server)
		r.read("its end", p.server)
		r.write("later", p.server, "later")
	}), []string{
		"some of it: ok",
		"CloseWrite: ok",
		"CloseRead: ok",
		"write late: 4, ok",
		`read the rest: "arly, between", ok`,
		`read then: "", read: read: connection reset by peer`,
		`read at last: "", EOF`,
		`read the other: "last words", ok`,
		`read its end: "", EOF`,
		"write later: 0, write: write: broken pipe",
	}},
	{"a writer gets the reset of an end that is closed in both directions", onPair(func(p *pair, r *report) {
		_, _ = p.client.CloseWrite(), p.client.CloseRead()
		r.write("late", p.server, "late")
		p.arrive()
		r.write("first", p.client, "x")
		r.write("second", p.client, "x")
		r.read("then", p.client)
	}), []string{
		"write late: 4, ok",
		"write first: 0, write: write: connection reset by peer",
		"write second: 0, write: write: broken pipe",
		`read then: "", EOF`,
	}},
	{"the end of the stream for an end that is closed in both directions", onPair(func(p *pair, r *report) {
		_, _ = p.client.CloseWrite(), p.client.CloseRead()
		r.note("CloseWrite", p.server.CloseWrite())
		p.arrive()
		r.read("", p.client)
		r.read("the other", p.server)
		r.write("then", p.client, "x")
	}), []string{
		"CloseWrite: ok",
		`read: "", EOF`,
		`read the other: "", EOF`,
		"write then: 0, write: write: broken pipe",
	}},
	{"options of a connection", onPair(func(p *pair, r *report) {
		require.Implements(p, (*options)(nil), p.client)
		options := p.client.(options)
		for _, closed := range []bool{false, true} {
			if closed {
				_ = p.client.Close()
			}
			for _, set := range []struct {
				what string
				err  error
			}{
				{"no delay", options.SetNoDelay(false)},
				{"keep-alive", options.SetKeepAlive(true)},
				{"period", options.SetKeepAlivePeriod(time.Minute)},
				{"config", options.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true})},
				{"linger", p.client.SetLinger(-1)},
				{"read buffer", options.SetReadBuffer(1 << 16)},
				{"write buffer", options.SetWriteBuffer(1 << 16)},
				{"deadline", p.client.SetDeadline(time.Time{})},
			} {
				if closed {
					r.shape(set.what, set.err, p.client.LocalAddr(), p.client.RemoteAddr())
				}
				r.note(set.what, set.err)
			}
		}
	}), []string{
		"no delay: ok",
		"keep-alive: ok",
		"period: ok",
		"config: ok",
		"linger: ok",
		"read buffer: ok",
		"write buffer: ok",
		"deadline: ok",
		"no delay: set tcp, source the client, address the server",
		"no delay: set: closed",
		"keep-alive: set tcp, source the client, address the server",
		"keep-alive: set: closed",
		"period: set tcp, source the client, address the server",
		"period: set: closed",
		"config: set tcp, source the client, address the server",
		"config: set: closed",
		"linger: set tcp, source the client, address the server",
		"linger: set: closed",
		"read buffer: set tcp, source nothing, address the client",
		"read buffer: set: closed",
		"write buffer: set tcp, source nothing, address the client",
		"write buffer: set: closed",
		"deadline: set tcp, source nothing, address the client",
		"deadline: set: closed",
	}},
}

// afterShutdown reports the effects of data that arrives for a client's end that is
// closed in both directions.
func (p *pair) afterShutdown(r *report) {
	p.arrive()
	r.write("late", p.server, "late")
	p.arrive()
	r.read("first", p.client)
	r.read("second", p.client)
	r.write("later", p.server, "later")
	r.write("then", p.server, "x")
	r.read("the other", p.server)
}
