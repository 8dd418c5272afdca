package simtest_test

import (
	"net"
	"strings"
)

// Listening.
var listenScenarios = []scenario{
	{"listen on a port in use", func(w *world, r *report) {
		l := w.listen()
		r.listen("on the same", w.server, "tcp", l.Addr().String())
		r.listen("on the same by tcp4", w.server, "tcp4", l.Addr().String())
		r.listen("on all of IPv4", w.server, "tcp4", at("", l.Addr()))
		r.listen("on all", w.server, "tcp", at("", l.Addr()))
		r.listen("on another address", w.server, "tcp", at(w.server.other, l.Addr()))
	}, []string{
		"listen on the same: listen: bind: address already in use",
		"listen on the same by tcp4: listen: bind: address already in use",
		"listen on all of IPv4: listen: bind: address already in use",
		"listen on all: listen: bind: address already in use",
		"listen on another address: ok",
	}},
	{"listen on a port in use by all addresses", func(w *world, r *report) {
		l := w.listenOn(w.server, "tcp4", ":0")
		r.listen("on one", w.server, "tcp", at(w.server.v4, l.Addr()))
		r.listen("on all of IPv4", w.server, "tcp4", at("0.0.0.0", l.Addr()))
	}, []string{
		"listen on one: listen: bind: address already in use",
		"listen on all of IPv4: listen: bind: address already in use",
	}},
	{"listen on a port in use by all addresses of both families", func(w *world, r *report) {
		w.needIPv6()
		l := w.listenOn(w.server, "tcp", ":0")
		r.listen("on all of IPv4", w.server, "tcp4", at("", l.Addr()))
		r.listen("on all of IPv6", w.server, "tcp6", at("", l.Addr()))
		r.listen("on one of IPv4", w.server, "tcp", at(w.server.v4, l.Addr()))
		r.listen("on one of IPv6", w.server, "tcp", at(w.server.v6, l.Addr()))
	}, []string{
		"listen on all of IPv4: listen: bind: address already in use",
		"listen on all of IPv6: listen: bind: address already in use",
		"listen on one of IPv4: listen: bind: address already in use",
		"listen on one of IPv6: listen: bind: address already in use",
	}},
	{"listen on one port for either family", func(w *world, r *report) {
		w.needIPv6()
		l := w.listenOn(w.server, "tcp6", ":0")
		r.listen("on one of IPv4", w.server, "tcp4", at(w.server.v4, l.Addr()))
		r.listen("on one of IPv6", w.server, "tcp6", at(w.server.v6, l.Addr()))
	}, []string{
		"listen on one of IPv4: ok",
		"listen on one of IPv6: listen: bind: address already in use",
	}},
	{"listen on a port that is free again", func(w *world, r *report) {
		l := w.listen()
		_ = l.Close()
		r.listen("again", w.server, "tcp", l.Addr().String())
	}, []string{"listen again: ok"}},
	{"listen on a port whose connections live on", func(w *world, r *report) {
		l := w.listen()
		client := w.dial("tcp", l.Addr().String())
		server := w.accept(l)
		_ = l.Close()
		r.listen("again", w.server, "tcp", l.Addr().String())
		w.write(client, "still here")
		r.read("", server)
	}, []string{
		"listen again: ok",
		`read: "still here", ok`,
	}},
	{"listen on a port that a connection has", onPair(func(p *pair, r *report) {
		r.listen("", p.world.client, "tcp", p.client.LocalAddr().String())
	}), []string{"listen: listen: bind: address already in use"}},
	{"listen twice on port 0", func(w *world, r *report) {
		a, b := w.listen(), w.listen()
		r.add("ports differ: %t", portOf(a.Addr()) != portOf(b.Addr()))
	}, []string{"ports differ: true"}},
	{"listen on a TCP port and a UDP port of the same number", func(w *world, r *report) {
		l := w.listen()
		conn, err := w.server.ListenPacket("udp", l.Addr().String())
		r.note("UDP", err)
		if err == nil {
			_ = conn.Close()
		}
	}, []string{"UDP: ok"}},
	{"listen on an address of another host", func(w *world, r *report) {
		r.listen("TCP", w.server, "tcp", "203.0.113.1:0")
		_, err := w.server.ListenPacket("udp", "203.0.113.1:0")
		r.note("listen UDP", err)
	}, []string{
		"listen TCP: listen: bind: cannot assign requested address",
		"listen UDP: listen: bind: cannot assign requested address",
	}},
	{"listen on an unknown network", func(w *world, r *report) {
		r.listen("tcp5", w.server, "tcp5", ":0")
		r.listen("nothing", w.server, "", ":0")
		r.listen("udp", w.server, "udp", ":0")
		_, err := w.server.ListenPacket("udp5", ":0")
		r.note("packets of udp5", err)
		_, err = w.server.ListenPacket("tcp", ":0")
		r.note("packets of tcp", err)
	}, []string{
		"listen tcp5: listen: UnknownNetworkError unknown network tcp5",
		"listen nothing: listen: UnknownNetworkError unknown network ",
		"listen udp: listen: AddrError unexpected address type",
		"packets of udp5: listen: UnknownNetworkError unknown network udp5",
		"packets of tcp: listen: AddrError unexpected address type",
	}},
	{"listen on an invalid address", func(w *world, r *report) {
		r.listen("no port", w.server, "tcp", w.server.v4)
		r.listen("port 65536", w.server, "tcp", w.server.v4+":65536")
		r.listen("a port of no known name", w.server, "tcp", w.server.v4+":nosuchport")
		r.listen("IPv6 by tcp4", w.server, "tcp4", "[::1]:0")
		r.listen("IPv4 by tcp6", w.server, "tcp6", w.server.v4+":0")
		_, err := w.server.ListenPacket("udp", w.server.v4)
		r.note("packets, no port", err)
		_, err = w.server.ListenPacket("udp4", "[::1]:0")
		r.note("packets, IPv6 by udp4", err)
	}, []string{
		"listen no port: listen: AddrError missing port in address",
		"listen port 65536: listen: AddrError invalid port",
		`listen a port of no known name: listen: DNSError "tcp/nosuchport" unknown port, not found true`,
		"listen IPv6 by tcp4: listen: AddrError no suitable address found",
		"listen IPv4 by tcp6: listen: AddrError no suitable address found",
		"packets, no port: listen: AddrError missing port in address",
		"packets, IPv6 by udp4: listen: AddrError no suitable address found",
	}},
	{"listen without an address", func(w *world, r *report) {
		l := w.listenOn(w.server, "tcp4", "")
		client := w.dial("tcp", at(w.server.v4, l.Addr()))
		w.write(client, "there")
		r.read("", w.accept(l))
	}, []string{"read: \"there\", ok"}},
	{"a listener's address", func(w *world, r *report) {
		w.needIPv6()
		for _, on := range [][2]string{{"tcp", ":0"}, {"tcp4", ":0"}, {"tcp6", ":0"}, {"tcp", "0.0.0.0:0"}, {"tcp", "[::]:0"}, {"tcp4", "127.0.0.1:0"}, {"tcp", "[::1]:0"}} {
			addr := w.listenOn(w.server, on[0], on[1]).Addr().(*net.TCPAddr)
			r.add("%s %s: %s, %s, %d bytes", on[0], on[1], addr.Network(), addr.IP, len(addr.IP))
		}
	}, []string{
		"tcp :0: tcp, ::, 16 bytes",
		"tcp4 :0: tcp, 0.0.0.0, 4 bytes",
		"tcp6 :0: tcp, ::, 16 bytes",
		"tcp 0.0.0.0:0: tcp, ::, 16 bytes",
		"tcp [::]:0: tcp, ::, 16 bytes",
		"tcp4 127.0.0.1:0: tcp, 127.0.0.1, 4 bytes",
		"tcp [::1]:0: tcp, ::1, 16 bytes",
	}},
	{"families of all addresses", func(w *world, r *report) {
		w.needIPv6()
		dial := func(what string, l net.Listener) {
			r.dial("IPv4 to "+what, "tcp", at(w.server.v4, l.Addr()))
			r.dial("IPv6 to "+what, "tcp", at(w.server.v6, l.Addr()))
			_ = l.Close()
		}
		for _, address := range []string{":0", "0.0.0.0:0", "[::]:0"} {
			dial(address, w.listenOn(w.server, "tcp", address))
		}
		dial("tcp4", w.listenOnFamily("tcp4"))
		dial("tcp6", w.listenOnFamily("tcp6"))
	}, []string{
		"dial IPv4 to :0: ok",
		"dial IPv6 to :0: ok",
		"dial IPv4 to 0.0.0.0:0: ok",
		"dial IPv6 to 0.0.0.0:0: ok",
		"dial IPv4 to [::]:0: ok",
		"dial IPv6 to [::]:0: ok",
		"dial IPv4 to tcp4: ok",
		"dial IPv6 to tcp4: dial: connect: connection refused",
		"dial IPv4 to tcp6: dial: connect: connection refused",
		"dial IPv6 to tcp6: ok",
	}},
	{"addresses in the error of a failed listen", func(w *world, r *report) {
		l := w.listen()
		_, err := w.server.Listen("tcp4", l.Addr().String())
		r.shape("in use", err, nil, l.Addr())
		_, err = w.server.Listen("tcp5", l.Addr().String())
		r.shape("unknown network", err, nil, l.Addr())
		_, err = w.server.Listen("tcp", w.server.v4)
		r.shape("no port", err, nil, l.Addr())
	}, []string{
		"in use: listen tcp4, source nothing, address the server",
		"unknown network: listen tcp5, source nothing, address nothing",
		"no port: listen tcp, source nothing, address nothing",
	}},
	{"the text of the error of a failed listen", func(w *world, r *report) {
		w.needIPv6()
		for _, network := range []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "tcp5", ""} {
			for _, address := range []string{"", ":", "x", "::1:80", "[::1]", "192.0.2.1:80", "[2001:db8::1]:80", "[::1]:0", "[::]:0",
				"0.0.0.0:0", "127.0.0.1:99999", "127.0.0.1:-1", "[::ffff:127.0.0.1]:0"} {
				l, err := w.server.Listen(network, address)
				if err == nil {
					host, _, _ := net.SplitHostPort(l.Addr().String())
					r.add("Listen %s %s: on %s", network, address, host)
					_ = l.Close()
				} else {
					r.add("Listen %s %s: %s", network, address, err)
				}
				p, err := w.server.ListenPacket(network, address)
				if err == nil {
					host, _, _ := net.SplitHostPort(p.LocalAddr().String())
					r.add("ListenPacket %s %s: on %s", network, address, host)
					_ = p.Close()
				} else {
					r.add("ListenPacket %s %s: %s", network, address, err)
				}
			}
		}
	}, []string{
		"Listen tcp : on ::",
		"ListenPacket tcp : listen tcp :0: unexpected address type",
		"Listen tcp :: on ::",
		"ListenPacket tcp :: listen tcp :0: address :: unexpected address type",
		"Listen tcp x: listen tcp: address x: missing port in address",
		"ListenPacket tcp x: listen tcp: address x: missing port in address",
		"Listen tcp ::1:80: listen tcp: address ::1:80: too many colons in address",
		"ListenPacket tcp ::1:80: listen tcp: address ::1:80: too many colons in address",
		"Listen tcp [::1]: listen tcp: address [::1]: missing port in address",
		"ListenPacket tcp [::1]: listen tcp: address [::1]: missing port in address",
		"Listen tcp 192.0.2.1:80: listen tcp 192.0.2.1:80: bind: cannot assign requested address",
		"ListenPacket tcp 192.0.2.1:80: listen tcp 192.0.2.1:80: address 192.0.2.1:80: unexpected address type",
		"Listen tcp [2001:db8::1]:80: listen tcp [2001:db8::1]:80: bind: cannot assign requested address",
		"ListenPacket tcp [2001:db8::1]:80: listen tcp [2001:db8::1]:80: address [2001:db8::1]:80: unexpected address type",
		"Listen tcp [::1]:0: on ::1",
		"ListenPacket tcp [::1]:0: listen tcp [::1]:0: address [::1]:0: unexpected address type",
		"Listen tcp [::]:0: on ::",
		"ListenPacket tcp [::]:0: listen tcp 0.0.0.0:0: address [::]:0: unexpected address type",
		"Listen tcp 0.0.0.0:0: on ::",
		"ListenPacket tcp 0.0.0.0:0: listen tcp 0.0.0.0:0: address 0.0.0.0:0: unexpected address type",
		"Listen tcp 127.0.0.1:99999: listen tcp: address 99999: invalid port",
		"ListenPacket tcp 127.0.0.1:99999: listen tcp: address 99999: invalid port",
		"Listen tcp 127.0.0.1:-1: listen tcp: address -1: invalid port",
		"ListenPacket tcp 127.0.0.1:-1: listen tcp: address -1: invalid port",
		"Listen tcp [::ffff:127.0.0.1]:0: on 127.0.0.1",
		"ListenPacket tcp [::ffff:127.0.0.1]:0: listen tcp 127.0.0.1:0: address [::ffff:127.0.0.1]:0: unexpected address type",
		"Listen tcp4 : on 0.0.0.0",
		"ListenPacket tcp4 : listen tcp4 :0: unexpected address type",
		"Listen tcp4 :: on 0.0.0.0",
		"ListenPacket tcp4 :: listen tcp4 :0: address :: unexpected address type",
		"Listen tcp4 x: listen tcp4: address x: missing port in address",
		"ListenPacket tcp4 x: listen tcp4: address x: missing port in address",
		"Listen tcp4 ::1:80: listen tcp4: address ::1:80: too many colons in address",
		"ListenPacket tcp4 ::1:80: listen tcp4: address ::1:80: too many colons in address",
		"Listen tcp4 [::1]: listen tcp4: address [::1]: missing port in address",
		"ListenPacket tcp4 [::1]: listen tcp4: address [::1]: missing port in address",
		"Listen tcp4 192.0.2.1:80: listen tcp4 192.0.2.1:80: bind: cannot assign requested address",
		"ListenPacket tcp4 192.0.2.1:80: listen tcp4 192.0.2.1:80: address 192.0.2.1:80: unexpected address type",
		"Listen tcp4 [2001:db8::1]:80: listen tcp4: address 2001:db8::1: no suitable address found",
		"ListenPacket tcp4 [2001:db8::1]:80: listen tcp4: address 2001:db8::1: no suitable address found",
		"Listen tcp4 [::1]:0: listen tcp4: address ::1: no suitable address found",
		"ListenPacket tcp4 [::1]:0: listen tcp4: address ::1: no suitable address found",
		"Listen tcp4 [::]:0: on 0.0.0.0",
		"ListenPacket tcp4 [::]:0: listen tcp4 0.0.0.0:0: address [::]:0: unexpected address type",
		"Listen tcp4 0.0.0.0:0: on 0.0.0.0",
		"ListenPacket tcp4 0.0.0.0:0: listen tcp4 0.0.0.0:0: address 0.0.0.0:0: unexpected address type",
		"Listen tcp4 127.0.0.1:99999: listen tcp4: address 99999: invalid port",
		"ListenPacket tcp4 127.0.0.1:99999: listen tcp4: address 99999: invalid port",
		"Listen tcp4 127.0.0.1:-1: listen tcp4: address -1: invalid port",
		"ListenPacket tcp4 127.0.0.1:-1: listen tcp4: address -1: invalid port",
		"Listen tcp4 [::ffff:127.0.0.1]:0: on 127.0.0.1",
		"ListenPacket tcp4 [::ffff:127.0.0.1]:0: listen tcp4 127.0.0.1:0: address [::ffff:127.0.0.1]:0: unexpected address type",
		"Listen tcp6 : on ::",
		"ListenPacket tcp6 : listen tcp6 :0: unexpected address type",
		"Listen tcp6 :: on ::",
		"ListenPacket tcp6 :: listen tcp6 :0: address :: unexpected address type",
		"Listen tcp6 x: listen tcp6: address x: missing port in address",
		"ListenPacket tcp6 x: listen tcp6: address x: missing port in address",
		"Listen tcp6 ::1:80: listen tcp6: address ::1:80: too many colons in address",
		"ListenPacket tcp6 ::1:80: listen tcp6: address ::1:80: too many colons in address",
		"Listen tcp6 [::1]: listen tcp6: address [::1]: missing port in address",
		"ListenPacket tcp6 [::1]: listen tcp6: address [::1]: missing port in address",
		"Listen tcp6 192.0.2.1:80: listen tcp6: address 192.0.2.1: no suitable address found",
		"ListenPacket tcp6 192.0.2.1:80: listen tcp6: address 192.0.2.1: no suitable address found",
		"Listen tcp6 [2001:db8::1]:80: listen tcp6 [2001:db8::1]:80: bind: cannot assign requested address",
		"ListenPacket tcp6 [2001:db8::1]:80: listen tcp6 [2001:db8::1]:80: address [2001:db8::1]:80: unexpected address type",
		"Listen tcp6 [::1]:0: on ::1",
		"ListenPacket tcp6 [::1]:0: listen tcp6 [::1]:0: address [::1]:0: unexpected address type",
		"Listen tcp6 [::]:0: on ::",
		"ListenPacket tcp6 [::]:0: listen tcp6 [::]:0: address [::]:0: unexpected address type",
		"Listen tcp6 0.0.0.0:0: listen tcp6: address 0.0.0.0: no suitable address found",
		"ListenPacket tcp6 0.0.0.0:0: listen tcp6: address 0.0.0.0: no suitable address found",
		"Listen tcp6 127.0.0.1:99999: listen tcp6: address 99999: invalid port",
		"ListenPacket tcp6 127.0.0.1:99999: listen tcp6: address 99999: invalid port",
		"Listen tcp6 127.0.0.1:-1: listen tcp6: address -1: invalid port",
		"ListenPacket tcp6 127.0.0.1:-1: listen tcp6: address -1: invalid port",
		"Listen tcp6 [::ffff:127.0.0.1]:0: listen tcp6: address ::ffff:127.0.0.1: no suitable address found",
		"ListenPacket tcp6 [::ffff:127.0.0.1]:0: listen tcp6: address ::ffff:127.0.0.1: no suitable address found",
		"Listen udp : listen udp :0: unexpected address type",
		"ListenPacket udp : on ::",
		"Listen udp :: listen udp :0: address :: unexpected address type",
		"ListenPacket udp :: on ::",
		"Listen udp x: listen udp: address x: missing port in address",
		"ListenPacket udp x: listen udp: address x: missing port in address",
		"Listen udp ::1:80: listen udp: address ::1:80: too many colons in address",
		"ListenPacket udp ::1:80: listen udp: address ::1:80: too many colons in address",
		"Listen udp [::1]: listen udp: address [::1]: missing port in address",
		"ListenPacket udp [::1]: listen udp: address [::1]: missing port in address",
		"Listen udp 192.0.2.1:80: listen udp 192.0.2.1:80: address 192.0.2.1:80: unexpected address type",
		"ListenPacket udp 192.0.2.1:80: listen udp 192.0.2.1:80: bind: cannot assign requested address",
		"Listen udp [2001:db8::1]:80: listen udp [2001:db8::1]:80: address [2001:db8::1]:80: unexpected address type",
		"ListenPacket udp [2001:db8::1]:80: listen udp [2001:db8::1]:80: bind: cannot assign requested address",
		"Listen udp [::1]:0: listen udp [::1]:0: address [::1]:0: unexpected address type",
		"ListenPacket udp [::1]:0: on ::1",
		"Listen udp [::]:0: listen udp 0.0.0.0:0: address [::]:0: unexpected address type",
		"ListenPacket udp [::]:0: on ::",
		"Listen udp 0.0.0.0:0: listen udp 0.0.0.0:0: address 0.0.0.0:0: unexpected address type",
		"ListenPacket udp 0.0.0.0:0: on ::",
		"Listen udp 127.0.0.1:99999: listen udp: address 99999: invalid port",
		"ListenPacket udp 127.0.0.1:99999: listen udp: address 99999: invalid port",
		"Listen udp 127.0.0.1:-1: listen udp: address -1: invalid port",
		"ListenPacket udp 127.0.0.1:-1: listen udp: address -1: invalid port",
		"Listen udp [::ffff:127.0.0.1]:0: listen udp 127.0.0.1:0: address [::ffff:127.0.0.1]:0: unexpected address type",
		"ListenPacket udp [::ffff:127.0.0.1]:0: on 127.0.0.1",
		"Listen udp4 : listen udp4 :0: unexpected address type",
		"ListenPacket udp4 : on 0.0.0.0",
		"Listen udp4 :: listen udp4 :0: address :: unexpected address type",
		"ListenPacket udp4 :: on 0.0.0.0",
		"Listen udp4 x: listen udp4: address x: missing port in address",
		"ListenPacket udp4 x: listen udp4: address x: missing port in address",
		"Listen udp4 ::1:80: listen udp4: address ::1:80: too many colons in address",
		"ListenPacket udp4 ::1:80: listen udp4: address ::1:80: too many colons in address",
		"Listen udp4 [::1]: listen udp4: address [::1]: missing port in address",
		"ListenPacket udp4 [::1]: listen udp4: address [::1]: missing port in address",
		"Listen udp4 192.0.2.1:80: listen udp4 192.0.2.1:80: address 192.0.2.1:80: unexpected address type",
		"ListenPacket udp4 192.0.2.1:80: listen udp4 192.0.2.1:80: bind: cannot assign requested address",
		"Listen udp4 [2001:db8::1]:80: listen udp4: address 2001:db8::1: no suitable address found",
		"ListenPacket udp4 [2001:db8::1]:80: listen udp4: address 2001:db8::1: no suitable address found",
		"Listen udp4 [::1]:0: listen udp4: address ::1: no suitable address found",
		"ListenPacket udp4 [::1]:0: listen udp4: address ::1: no suitable address found",
		"Listen udp4 [::]:0: listen udp4 0.0.0.0:0: address [::]:0: unexpected address type",
		"ListenPacket udp4 [::]:0: on 0.0.0.0",
		"Listen udp4 0.0.0.0:0: listen udp4 0.0.0.0:0: address 0.0.0.0:0: unexpected address type",
		"ListenPacket udp4 0.0.0.0:0: on 0.0.0.0",
		"Listen udp4 127.0.0.1:99999: listen udp4: address 99999: invalid port",
		"ListenPacket udp4 127.0.0.1:99999: listen udp4: address 99999: invalid port",
		"Listen udp4 127.0.0.1:-1: listen udp4: address -1: invalid port",
		"ListenPacket udp4 127.0.0.1:-1: listen udp4: address -1: invalid port",
		"Listen udp4 [::ffff:127.0.0.1]:0: listen udp4 127.0.0.1:0: address [::ffff:127.0.0.1]:0: unexpected address type",
		"ListenPacket udp4 [::ffff:127.0.0.1]:0: on 127.0.0.1",
		"Listen udp6 : listen udp6 :0: unexpected address type",
		"ListenPacket udp6 : on ::",
		"Listen udp6 :: listen udp6 :0: address :: unexpected address type",
		"ListenPacket udp6 :: on ::",
		"Listen udp6 x: listen udp6: address x: missing port in address",
		"ListenPacket udp6 x: listen udp6: address x: missing port in address",
		"Listen udp6 ::1:80: listen udp6: address ::1:80: too many colons in address",
		"ListenPacket udp6 ::1:80: listen udp6: address ::1:80: too many colons in address",
		"Listen udp6 [::1]: listen udp6: address [::1]: missing port in address",
		"ListenPacket udp6 [::1]: listen udp6: address [::1]: missing port in address",
		"Listen udp6 192.0.2.1:80: listen udp6: address 192.0.2.1: no suitable address found",
		"ListenPacket udp6 192.0.2.1:80: listen udp6: address 192.0.2.1: no suitable address found",
		"Listen udp6 [2001:db8::1]:80: listen udp6 [2001:db8::1]:80: address [2001:db8::1]:80: unexpected address type",
		"ListenPacket udp6 [2001:db8::1]:80: listen udp6 [2001:db8::1]:80: bind: cannot assign requested address",
		"Listen udp6 [::1]:0: listen udp6 [::1]:0: address [::1]:0: unexpected address type",
		"ListenPacket udp6 [::1]:0: on ::1",
		"Listen udp6 [::]:0: listen udp6 [::]:0: address [::]:0: unexpected address type",
		"ListenPacket udp6 [::]:0: on ::",
		"Listen udp6 0.0.0.0:0: listen udp6: address 0.0.0.0: no suitable address found",
		"ListenPacket udp6 0.0.0.0:0: listen udp6: address 0.0.0.0: no suitable address found",
		"Listen udp6 127.0.0.1:99999: listen udp6: address 99999: invalid port",
		"ListenPacket udp6 127.0.0.1:99999: listen udp6: address 99999: invalid port",
		"Listen udp6 127.0.0.1:-1: listen udp6: address -1: invalid port",
		"ListenPacket udp6 127.0.0.1:-1: listen udp6: address -1: invalid port",
		"Listen udp6 [::ffff:127.0.0.1]:0: listen udp6: address ::ffff:127.0.0.1: no suitable address found",
		"ListenPacket udp6 [::ffff:127.0.0.1]:0: listen udp6: address ::ffff:127.0.0.1: no suitable address found",
		"Listen tcp5 : listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 : listen tcp5: unknown network tcp5",
		"Listen tcp5 :: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 :: listen tcp5: unknown network tcp5",
		"Listen tcp5 x: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 x: listen tcp5: unknown network tcp5",
		"Listen tcp5 ::1:80: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 ::1:80: listen tcp5: unknown network tcp5",
		"Listen tcp5 [::1]: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 [::1]: listen tcp5: unknown network tcp5",
		"Listen tcp5 192.0.2.1:80: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 192.0.2.1:80: listen tcp5: unknown network tcp5",
		"Listen tcp5 [2001:db8::1]:80: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 [2001:db8::1]:80: listen tcp5: unknown network tcp5",
		"Listen tcp5 [::1]:0: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 [::1]:0: listen tcp5: unknown network tcp5",
		"Listen tcp5 [::]:0: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 [::]:0: listen tcp5: unknown network tcp5",
		"Listen tcp5 0.0.0.0:0: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 0.0.0.0:0: listen tcp5: unknown network tcp5",
		"Listen tcp5 127.0.0.1:99999: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 127.0.0.1:99999: listen tcp5: unknown network tcp5",
		"Listen tcp5 127.0.0.1:-1: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 127.0.0.1:-1: listen tcp5: unknown network tcp5",
		"Listen tcp5 [::ffff:127.0.0.1]:0: listen tcp5: unknown network tcp5",
		"ListenPacket tcp5 [::ffff:127.0.0.1]:0: listen tcp5: unknown network tcp5",
		"Listen  : listen: unknown network ",
		"ListenPacket  : listen: unknown network ",
		"Listen  :: listen: unknown network ",
		"ListenPacket  :: listen: unknown network ",
		"Listen  x: listen: unknown network ",
		"ListenPacket  x: listen: unknown network ",
		"Listen  ::1:80: listen: unknown network ",
		"ListenPacket  ::1:80: listen: unknown network ",
		"Listen  [::1]: listen: unknown network ",
		"ListenPacket  [::1]: listen: unknown network ",
		"Listen  192.0.2.1:80: listen: unknown network ",
		"ListenPacket  192.0.2.1:80: listen: unknown network ",
		"Listen  [2001:db8::1]:80: listen: unknown network ",
		"ListenPacket  [2001:db8::1]:80: listen: unknown network ",
		"Listen  [::1]:0: listen: unknown network ",
		"ListenPacket  [::1]:0: listen: unknown network ",
		"Listen  [::]:0: listen: unknown network ",
		"ListenPacket  [::]:0: listen: unknown network ",
		"Listen  0.0.0.0:0: listen: unknown network ",
		"ListenPacket  0.0.0.0:0: listen: unknown network ",
		"Listen  127.0.0.1:99999: listen: unknown network ",
		"ListenPacket  127.0.0.1:99999: listen: unknown network ",
		"Listen  127.0.0.1:-1: listen: unknown network ",
		"ListenPacket  127.0.0.1:-1: listen: unknown network ",
		"Listen  [::ffff:127.0.0.1]:0: listen: unknown network ",
		"ListenPacket  [::ffff:127.0.0.1]:0: listen: unknown network ",
	}},
	{"the text of the error of a listen on a port in use", func(w *world, r *report) {
		w.needIPv6()
		l := w.listenOn(w.server, "tcp", ":0")
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, host := range []string{"", "0.0.0.0", "::", "127.0.0.1", "::1"} {
			_, err := w.server.Listen("tcp", net.JoinHostPort(host, port))
			r.add("%s", strings.ReplaceAll(err.Error(), port, "PORT"))
		}
	}, []string{
		"listen tcp :PORT: bind: address already in use",
		"listen tcp 0.0.0.0:PORT: bind: address already in use",
		"listen tcp 0.0.0.0:PORT: bind: address already in use",
		"listen tcp 127.0.0.1:PORT: bind: address already in use",
		"listen tcp [::1]:PORT: bind: address already in use",
	}},
}
