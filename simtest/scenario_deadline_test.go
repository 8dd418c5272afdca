package simtest_test

import "time"

// Deadlines of TCP connections.
var deadlineScenarios = []scenario{
	{"deadline in the past", onPair(func(p *pair, r *report) {
		p.write(p.server, "unread")
		p.arrive()
		_ = p.client.SetDeadline(time.Now().Add(-time.Hour))
		r.read("", p.client)
		r.write("", p.client, "x")
		_ = p.client.SetDeadline(time.Time{})
		r.read("taken away", p.client)
	}), []string{
		`read: "", read: ErrDeadlineExceeded, a timeout`,
		"write: 0, write: ErrDeadlineExceeded, a timeout",
		`read taken away: "unread", ok`,
	}},
	{"empty calls with a deadline in the past", onPair(func(p *pair, r *report) {
		_ = p.client.SetDeadline(time.Now().Add(-time.Hour))
		_, err := p.client.Read(nil)
		r.note("read", err)
		_, err = p.client.Write(nil)
		r.note("write", err)
	}), []string{
		"read: ok",
		"write: write: ErrDeadlineExceeded, a timeout",
	}},
	{"deadline in the past hides the end", onPair(func(p *pair, r *report) {
		_ = p.server.Close()
		p.arrive()
		_ = p.client.SetReadDeadline(time.Now().Add(-time.Hour))
		r.read("", p.client)
		_ = p.client.SetReadDeadline(time.Time{})
		r.read("taken away", p.client)
	}), []string{
		`read: "", read: ErrDeadlineExceeded, a timeout`,
		`read taken away: "", EOF`,
	}},
	{"deadline in the future", onPair(func(p *pair, r *report) {
		_ = p.client.SetReadDeadline(time.Now().Add(20 * ms))
		r.read("", p.client)
		r.read("again", p.client)
		r.write("the other direction", p.client, "x")
	}), []string{
		`read: "", read: ErrDeadlineExceeded, a timeout`,
		`read again: "", read: ErrDeadlineExceeded, a timeout`,
		"write the other direction: 1, ok",
	}},
	{"deadline of the other direction", onPair(func(p *pair, r *report) {
		_ = p.client.SetWriteDeadline(time.Now().Add(-time.Hour))
		p.write(p.server, "data")
		r.read("", p.client)
		r.write("", p.client, "x")
	}), []string{
		`read: "data", ok`,
		"write: 0, write: ErrDeadlineExceeded, a timeout",
	}},
	{"deadline set while blocked", onPair(func(p *pair, r *report) {
		p.later(func() { _ = p.client.SetReadDeadline(time.Now()) })
		r.read("", p.client)
	}), []string{"read: \"\", read: ErrDeadlineExceeded, a timeout"}},
	{"deadline set while a writer is blocked", onPair(func(p *pair, r *report) {
		p.later(func() { _ = p.client.SetWriteDeadline(time.Now()) })
		n, err := p.client.Write(make([]byte, 64<<20))
		r.add("not all: %t, %s", n < 64<<20, describe(err))
	}), []string{"not all: true, write: ErrDeadlineExceeded, a timeout"}},
	{"deadline brought forward while blocked", onPair(func(p *pair, r *report) {
		_ = p.client.SetReadDeadline(time.Now().Add(time.Hour))
		p.later(func() { _ = p.client.SetReadDeadline(time.Now().Add(ms)) })
		r.read("", p.client)
	}), []string{"read: \"\", read: ErrDeadlineExceeded, a timeout"}},
	{"deadline put off while blocked", onPair(func(p *pair, r *report) {
		_ = p.client.SetReadDeadline(time.Now().Add(time.Second))
		p.later(func() {
			_ = p.client.SetReadDeadline(time.Now().Add(time.Hour))
			time.Sleep(1100 * ms)
			p.write(p.server, "late")
		})
		r.read("", p.client)
	}), []string{"read: \"late\", ok"}},
	{"deadline removed while blocked", onPair(func(p *pair, r *report) {
		_ = p.client.SetReadDeadline(time.Now().Add(time.Second))
		p.later(func() {
			_ = p.client.SetReadDeadline(time.Time{})
			time.Sleep(1100 * ms)
			p.write(p.server, "late")
		})
		r.read("", p.client)
	}), []string{"read: \"late\", ok"}},
	{"deadline that has passed, and a new one", onPair(func(p *pair, r *report) {
		_ = p.client.SetReadDeadline(time.Now().Add(ms))
		r.read("", p.client)
		_ = p.client.SetReadDeadline(time.Now().Add(time.Hour))
		p.write(p.server, "data")
		r.read("with a new one", p.client)
	}), []string{
		`read: "", read: ErrDeadlineExceeded, a timeout`,
		`read with a new one: "data", ok`,
	}},
	{"deadline for the distant past and future", onPair(func(p *pair, r *report) {
		r.note("past", p.client.SetReadDeadline(time.Unix(1, 0)))
		r.read("", p.client)
		r.note("future", p.client.SetReadDeadline(time.Unix(1<<40, 0)))
		p.write(p.server, "data")
		r.read("", p.client)
	}), []string{
		"past: ok",
		`read: "", read: ErrDeadlineExceeded, a timeout`,
		"future: ok",
		`read: "data", ok`,
	}},
}
