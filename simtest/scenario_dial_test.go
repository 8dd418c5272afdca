package simtest_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
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
	{"dial a port without a listener", func(w *world, r *report) {
		address := w.closedPort("tcp")
		r.dial("once", "tcp", address)
		r.dial("again", "tcp4", address)
	}, []string{
		"dial once: dial: connect: connection refused",
		"dial again: dial: connect: connection refused",
	}},
	{"dial a port without a listener, on IPv6", func(w *world, r *report) {
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
		// Whether the context or the socket's deadline, which comes from the context,
		// ends first is random: errors.Is distinguishes the two.
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
	{"dial waits for a full listener, which is then closed", func(w *world, r *report) {
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
	{"dial an invalid address", func(w *world, r *report) {
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
	{"addresses in the error of a failed dial", func(w *world, r *report) {
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
	{"dial a name with addresses of both families", func(w *world, r *report) {
		first, second := w.dual()
		for _, l := range []net.Listener{w.listenOnOne(first, second), w.listenOnOne(second, first)} {
			r.dial("tcp", "tcp", at(w.name, l.Addr()))
			r.dial("the first's", first.network, at(w.name, l.Addr()))
			r.dial("the second's", second.network, at(w.name, l.Addr()))
			_ = l.Close()
			_, err := w.client.DialContext(w.Context(), "tcp", at(w.name, l.Addr()))
			r.note("closed", err)
			r.shape("closed", err, second.on(l.Addr()), first.on(l.Addr()))
		}
	}, []string{
		"dial tcp: ok",
		"dial the first's: ok",
		"dial the second's: dial: connect: connection refused",
		"closed: dial: connect: connection refused",
		"closed: dial tcp, source nothing, address the server",
		"dial tcp: ok",
		"dial the first's: dial: connect: connection refused",
		"dial the second's: ok",
		"closed: dial: connect: connection refused",
		"closed: dial tcp, source nothing, address the server",
	}},
	{"dial a name whose first address refuses and whose second does not answer", func(w *world, r *report) {
		first, second := w.dual()
		l := w.listenOnOne(second, first)
		w.fill(l)
		for _, end := range []string{"deadline", "cancel"} {
			ctx, cancel := context.WithCancel(w.Context())
			if end == "deadline" {
				ctx, cancel = context.WithTimeout(ctx, 300*ms)
			} else {
				w.wait.Go(func() {
					time.Sleep(300 * ms)
					cancel()
				})
			}
			_, err := w.client.DialContext(ctx, "tcp", at(w.name, l.Addr()))
			cancel()
			r.note(end, err)
			r.shape(end, err, second.on(l.Addr()), first.on(l.Addr()))
		}
	}, []string{
		"deadline: dial: connect: connection refused",
		"deadline: dial tcp, source nothing, address the server",
		"cancel: dial: connect: connection refused",
		"cancel: dial tcp, source nothing, address the server",
	}},
	{"dial a name in other spellings", func(w *world, r *report) {
		l := w.listen()
		for _, spelling := range []string{strings.ToUpper(w.name), w.name + ".", w.name + "..", "." + w.name} {
			_, err := w.client.DialContext(w.Context(), "tcp", at(spelling, l.Addr()))
			r.add("%t, not found %t", err == nil, isNotFound(err))
		}
		loop := w.listenOn(w.client, "tcp4", "localhost:0")
		r.dial("LOCALHOST", "tcp4", at("LOCALHOST", loop.Addr()))
	}, []string{
		"true, not found false",
		"true, not found false",
		"false, not found true",
		"false, not found true",
		"dial LOCALHOST: ok",
	}},
	{"the text of the error of a failed dial", func(w *world, r *report) {
		w.needIPv6()
		closed := func(host string) string {
			l := w.listenOn(w.client, "tcp", ":0") // on all addresses
			_ = l.Close()
			return net.JoinHostPort(host, strconv.Itoa(portOf(l.Addr())))
		}
		for _, network := range []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "tcp5"} {
			for _, host := range []string{"", "0.0.0.0", "::", "127.0.0.1", "::1", "::ffff:127.0.0.1"} {
				address := closed(host)
				_, port, _ := net.SplitHostPort(address)
				conn, err := w.client.DialContext(w.Context(), network, address)
				if err == nil {
					remote, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
					r.add("%s %s: to %s", network, host, remote)
					_ = conn.Close()
					continue
				}
				r.add("%s %s: %s", network, host, strings.ReplaceAll(err.Error(), port, "PORT"))
			}
		}
	}, []string{
		"tcp : dial tcp :PORT: connect: connection refused",
		"tcp 0.0.0.0: dial tcp 0.0.0.0:PORT: connect: connection refused",
		"tcp ::: dial tcp [::]:PORT: connect: connection refused",
		"tcp 127.0.0.1: dial tcp 127.0.0.1:PORT: connect: connection refused",
		"tcp ::1: dial tcp [::1]:PORT: connect: connection refused",
		"tcp ::ffff:127.0.0.1: dial tcp 127.0.0.1:PORT: connect: connection refused",
		"tcp4 : dial tcp4 :PORT: connect: connection refused",
		"tcp4 0.0.0.0: dial tcp4 0.0.0.0:PORT: connect: connection refused",
		"tcp4 ::: dial tcp4 0.0.0.0:PORT: connect: connection refused",
		"tcp4 127.0.0.1: dial tcp4 127.0.0.1:PORT: connect: connection refused",
		"tcp4 ::1: dial tcp4: address ::1: no suitable address found",
		"tcp4 ::ffff:127.0.0.1: dial tcp4 127.0.0.1:PORT: connect: connection refused",
		"tcp6 : dial tcp6 :PORT: connect: connection refused",
		"tcp6 0.0.0.0: dial tcp6: address 0.0.0.0: no suitable address found",
		"tcp6 ::: dial tcp6 [::]:PORT: connect: connection refused",
		"tcp6 127.0.0.1: dial tcp6: address 127.0.0.1: no suitable address found",
		"tcp6 ::1: dial tcp6 [::1]:PORT: connect: connection refused",
		"tcp6 ::ffff:127.0.0.1: dial tcp6: address ::ffff:127.0.0.1: no suitable address found",
		"udp : to 127.0.0.1",
		"udp 0.0.0.0: to 127.0.0.1",
		"udp ::: to ::1",
		"udp 127.0.0.1: to 127.0.0.1",
		"udp ::1: to ::1",
		"udp ::ffff:127.0.0.1: to 127.0.0.1",
		"udp4 : to 127.0.0.1",
		"udp4 0.0.0.0: to 127.0.0.1",
		"udp4 ::: to 127.0.0.1",
		"udp4 127.0.0.1: to 127.0.0.1",
		"udp4 ::1: dial udp4: address ::1: no suitable address found",
		"udp4 ::ffff:127.0.0.1: to 127.0.0.1",
		"udp6 : to ::1",
		"udp6 0.0.0.0: dial udp6: address 0.0.0.0: no suitable address found",
		"udp6 ::: to ::1",
		"udp6 127.0.0.1: dial udp6: address 127.0.0.1: no suitable address found",
		"udp6 ::1: to ::1",
		"udp6 ::ffff:127.0.0.1: dial udp6: address ::ffff:127.0.0.1: no suitable address found",
		"tcp5 : dial tcp5: unknown network tcp5",
		"tcp5 0.0.0.0: dial tcp5: unknown network tcp5",
		"tcp5 ::: dial tcp5: unknown network tcp5",
		"tcp5 127.0.0.1: dial tcp5: unknown network tcp5",
		"tcp5 ::1: dial tcp5: unknown network tcp5",
		"tcp5 ::ffff:127.0.0.1: dial tcp5: unknown network tcp5",
	}},
}
