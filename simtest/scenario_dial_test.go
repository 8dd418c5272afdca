package simtest_test

import (
	"context"
	"errors"
	"net"
	"time"
)

// Connecting.
var dialScenarios = []scenario{
	{"dial a listener", func(w *world, r *report) {
		l := w.listen()
		conn := w.dial("tcp", l.Addr().String())
		w.write(conn, "before it is accepted")
		w.arrive()
		r.read("of the accepted", w.accept(l))
	}, []string{"read of the accepted: \"before it is accepted\", ok"}},
	{"dial a port where nobody listens", func(w *world, r *report) {
		address := w.closedPort("tcp")
		r.dial("once", "tcp", address)
		r.dial("again", "tcp4", address)
	}, []string{
		"dial once: dial: connect: connection refused",
		"dial again: dial: connect: connection refused",
	}},
	{"dial a port where nobody listens, on IPv6", func(w *world, r *report) {
		w.needIPv6()
		l := w.listenOn(w.server, "tcp", net.JoinHostPort(w.server.v6, "0"))
		_ = l.Close()
		r.dial("tcp", "tcp", l.Addr().String())
		r.dial("tcp6", "tcp6", l.Addr().String())
	}, []string{
		"dial tcp: dial: connect: connection refused",
		"dial tcp6: dial: connect: connection refused",
	}},
	{"dial port 0", func(w *world, r *report) {
		r.dial("", "tcp", w.server.v4+":0")
	}, []string{"dial: dial: connect: connection refused"}},
	{"dial the host itself", func(w *world, r *report) {
		l := w.listenOn(w.client, "tcp4", ":0")
		for _, host := range []string{"", "0.0.0.0", "127.0.0.1", w.client.v4} {
			conn, err := w.client.DialContext(w.Context(), "tcp4", at(host, l.Addr()))
			r.note("dial", err)
			if err == nil {
				accepted := w.accept(l)
				r.add("it is itself: %t", conn.RemoteAddr().String() == accepted.LocalAddr().String())
				_ = conn.Close()
			}
		}
	}, []string{
		"dial: ok",
		"it is itself: true",
		"dial: ok",
		"it is itself: true",
		"dial: ok",
		"it is itself: true",
		"dial: ok",
		"it is itself: true",
	}},
	{"dial with a canceled context", func(w *world, r *report) {
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		r.dialContext(ctx, "a listener", "tcp", w.listen().Addr().String())
		r.dialContext(ctx, "nobody", "tcp", w.closedPort("tcp"))
		r.dialContext(ctx, "UDP", "udp", w.closedPort("udp"))
	}, []string{
		"dial a listener: dial: operation was canceled (Canceled)",
		"dial nobody: dial: operation was canceled (Canceled)",
		"dial UDP: dial: operation was canceled (Canceled)",
	}},
	{"dial with a deadline in the past", func(w *world, r *report) {
		ctx, cancel := context.WithTimeout(w.Context(), -time.Second)
		defer cancel()
		r.dialContext(ctx, "a listener", "tcp", w.listen().Addr().String())
		r.dialContext(ctx, "nobody", "tcp", w.closedPort("tcp"))
		r.dialContext(ctx, "UDP", "udp", w.closedPort("udp"))
	}, []string{
		"dial a listener: dial: i/o timeout (DeadlineExceeded), a timeout",
		"dial nobody: dial: i/o timeout (DeadlineExceeded), a timeout",
		"dial UDP: dial: i/o timeout (DeadlineExceeded), a timeout",
	}},
	{"dial gets no answer until its deadline", func(w *world, r *report) {
		l := w.full()
		ctx, cancel := context.WithTimeout(w.Context(), 100*ms)
		defer cancel()
		_, err := w.client.DialContext(ctx, "tcp", l.Addr().String())
		// Whether the context's end comes first or the deadline that the socket
		// has from it, is up to chance: errors.Is tells the two apart.
		var timeout net.Error
		r.add("%t, %s", errors.As(err, &timeout) && timeout.Timeout(), errors.Unwrap(err))
	}, []string{"true, i/o timeout"}},
	{"dial gets no answer until it is canceled", func(w *world, r *report) {
		l := w.full()
		ctx, cancel := context.WithCancel(w.Context())
		w.later(cancel)
		r.dialContext(ctx, "a full listener", "tcp", l.Addr().String())
	}, []string{"dial a full listener: dial: operation was canceled (Canceled)"}},
	{"dial waits until the listener's queue has room", func(w *world, r *report) {
		l := w.full()
		w.later(func() { w.accept(l) })
		r.dial("a full listener", "tcp", l.Addr().String())
	}, []string{"dial a full listener: ok"}},
	{"dial gets no answer from a listener that is closed at last", func(w *world, r *report) {
		l := w.full()
		w.later(func() { _ = l.Close() })
		r.dial("a full listener", "tcp", l.Addr().String())
	}, []string{"dial a full listener: dial: connect: connection refused"}},
	{"dial an unknown network", func(w *world, r *report) {
		r.dial("tcp5", "tcp5", w.server.v4+":1")
		r.dial("nothing", "", w.server.v4+":1")
		r.dial("TCP", "TCP", w.server.v4+":1")
	}, []string{
		"dial tcp5: dial: UnknownNetworkError unknown network tcp5",
		"dial nothing: dial: UnknownNetworkError unknown network ",
		"dial TCP: dial: UnknownNetworkError unknown network TCP",
	}},
	{"dial what is no address", func(w *world, r *report) {
		r.dial("nothing", "tcp", "")
		r.dial("no port", "tcp", w.server.v4)
		r.dial("an empty port", "tcp", w.server.v4+":")
		r.dial("too many colons", "tcp", "::1:80")
		r.dial("a bracket too few", "tcp", "[::1:80")
		r.dial("port 65536", "tcp", w.server.v4+":65536")
		r.dial("port -1", "tcp", w.server.v4+":-1")
		r.dial("a port of no known name", "tcp", w.server.v4+":nosuchport")
		r.dial("UDP, no port", "udp", w.server.v4)
		r.dial("UDP, nothing", "udp", "")
	}, []string{
		"dial nothing: dial: missing address",
		"dial no port: dial: AddrError missing port in address",
		"dial an empty port: dial: connect: connection refused",
		"dial too many colons: dial: AddrError too many colons in address",
		"dial a bracket too few: dial: AddrError missing ']' in address",
		"dial port 65536: dial: AddrError invalid port",
		"dial port -1: dial: AddrError invalid port",
		`dial a port of no known name: dial: DNSError "tcp/nosuchport" unknown port, not found true`,
		"dial UDP, no port: dial: AddrError missing port in address",
		"dial UDP, nothing: dial: missing address",
	}},
	{"dial an address of the other family", func(w *world, r *report) {
		r.dial("IPv6 by tcp4", "tcp4", "[::1]:1")
		r.dial("IPv4 by tcp6", "tcp6", w.server.v4+":1")
		r.dial("IPv6 by udp4", "udp4", "[::1]:1")
		r.dial("IPv4 by udp6", "udp6", w.server.v4+":1")
	}, []string{
		"dial IPv6 by tcp4: dial: AddrError no suitable address found",
		"dial IPv4 by tcp6: dial: AddrError no suitable address found",
		"dial IPv6 by udp4: dial: AddrError no suitable address found",
		"dial IPv4 by udp6: dial: AddrError no suitable address found",
	}},
	{"what a failed dial says about addresses", func(w *world, r *report) {
		l := w.listen()
		canceled, cancel := context.WithCancel(w.Context())
		cancel()
		_, err := w.client.DialContext(canceled, "tcp", l.Addr().String())
		r.shape("canceled", err, nil, l.Addr())
		_ = l.Close()
		_, err = w.client.DialContext(w.Context(), "tcp4", l.Addr().String())
		r.shape("refused", err, nil, l.Addr())
		_, err = w.client.DialContext(w.Context(), "tcp5", l.Addr().String())
		r.shape("unknown network", err, nil, l.Addr())
		_, err = w.client.DialContext(w.Context(), "tcp", w.server.v4)
		r.shape("no port", err, nil, l.Addr())
	}, []string{
		"canceled: dial tcp, source nothing, address the server",
		"refused: dial tcp4, source nothing, address the server",
		"unknown network: dial tcp5, source nothing, address nothing",
		"no port: dial tcp, source nothing, address nothing",
	}},
	{"addresses of a connection", onPair(func(p *pair, r *report) {
		r.add("the client's: %t", p.client.LocalAddr().String() == p.server.RemoteAddr().String())
		r.add("the server's: %t", p.client.RemoteAddr().String() == p.server.LocalAddr().String())
		r.add("%T %s", p.client.LocalAddr(), p.client.LocalAddr().Network())
		r.add("of IPv4: %d bytes, %d bytes", len(p.client.LocalAddr().(*net.TCPAddr).IP), len(p.server.LocalAddr().(*net.TCPAddr).IP))
	}), []string{
		"the client's: true",
		"the server's: true",
		"*net.TCPAddr tcp",
		"of IPv4: 4 bytes, 4 bytes",
	}},
	{"addresses of a connection on IPv6", func(w *world, r *report) {
		w.needIPv6()
		l := w.listenOn(w.server, "tcp6", net.JoinHostPort(w.server.v6, "0"))
		client := w.dial("tcp", l.Addr().String())
		server := w.accept(l)
		r.add("the client's: %t", client.LocalAddr().String() == server.RemoteAddr().String())
		r.add("the server's: %t", client.RemoteAddr().String() == server.LocalAddr().String())
		r.add("of IPv6: %d bytes", len(client.LocalAddr().(*net.TCPAddr).IP))
	}, []string{
		"the client's: true",
		"the server's: true",
		"of IPv6: 16 bytes",
	}},
	{"addresses of an IPv4 connection to a listener of both", func(w *world, r *report) {
		w.needIPv6()
		l := w.listenOn(w.server, "tcp", ":0")
		client := w.dial("tcp", at(w.server.v4, l.Addr()))
		server := w.accept(l)
		r.add("as text: %t", client.LocalAddr().String() == server.RemoteAddr().String())
		r.add("the client's is IPv4 in IPv6: %t", client.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Is4In6())
		r.add("the server's is IPv4 in IPv6: %t", server.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Is4In6())
		r.add("its peer's is IPv4 in IPv6: %t", server.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Is4In6())
	}, []string{
		"as text: true",
		"the client's is IPv4 in IPv6: false",
		"the server's is IPv4 in IPv6: true",
		"its peer's is IPv4 in IPv6: true",
	}},
}
