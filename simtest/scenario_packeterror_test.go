package simtest_test

import (
	"net"
	"net/netip"
	"time"
)

// Errors of datagrams.
var packetErrorScenarios = []scenario{
	{"a datagram that is too large", func(w *world, r *report) {
		client, server := w.packetPair()
		n, err := client.WriteTo(make([]byte, 65508), server.LocalAddr())
		r.add("WriteTo: %d, %s", n, describe(err))
		n, err = client.WriteToUDPAddrPort(make([]byte, 65508), server.LocalAddr().(*net.UDPAddr).AddrPort())
		r.add("WriteToUDPAddrPort: %d, %s", n, describe(err))
		n, err = w.connect(server.LocalAddr().String()).Write(make([]byte, 65508))
		r.add("Write: %d, %s", n, describe(err))
		r.nothing("", server)
	}, []string{
		"WriteTo: 0, write: sendto: message too long",
		"WriteToUDPAddrPort: 0, write: sendto: message too long",
		"Write: 0, write: write: message too long",
		`read: "", read: ErrDeadlineExceeded, a timeout`,
	}},
	{"a read of a connected socket reports a closed port", func(w *world, r *report) {
		client := w.connect(w.closedPort("udp"))
		r.write("", client, "x")
		r.read("", client)
		r.nothing("again", client)
	}, []string{
		"write: 1, ok",
		`read: "", read: read: connection refused`,
		`read again: "", read: ErrDeadlineExceeded, a timeout`,
	}},
	{"a write of a connected socket reports a closed port", func(w *world, r *report) {
		client := w.connect(w.closedPort("udp"))
		r.write("first", client, "x")
		w.arrive()
		r.write("second", client, "x")
		w.arrive()
		r.write("third", client, "x")
		w.arrive()
		r.write("fourth", client, "x")
	}, []string{
		"write first: 1, ok",
		"write second: 0, write: write: connection refused",
		"write third: 1, ok",
		"write fourth: 0, write: write: connection refused",
	}},
	{"a connected socket reports a closed port once", func(w *world, r *report) {
		client := w.connect(w.closedPort("udp"))
		r.write("", client, "x")
		w.arrive()
		_ = client.SetReadDeadline(time.Now().Add(-time.Hour))
		r.read("with a deadline in the past", client)
		_ = client.SetReadDeadline(time.Time{})
		r.read("without", client)
		r.nothing("again", client)
	}, []string{
		"write: 1, ok",
		`read with a deadline in the past: "", read: ErrDeadlineExceeded, a timeout`,
		`read without: "", read: read: connection refused`,
		`read again: "", read: ErrDeadlineExceeded, a timeout`,
	}},
	{"a closed port wakes a reader", func(w *world, r *report) {
		client := w.connect(w.closedPort("udp"))
		w.later(func() { _, _ = client.Write([]byte("x")) })
		r.read("blocked", client)
	}, []string{"read blocked: \"\", read: read: connection refused"}},
	{"a connected socket whose peer closes", func(w *world, r *report) {
		client, server := w.connectedPair()
		_, _ = server.WriteTo([]byte("last words"), client.LocalAddr())
		_ = server.Close()
		r.read("", client)
		r.write("", client, "x")
		r.read("then", client)
		again := w.packets(w.server, "udp", server.LocalAddr().String())
		r.write("to the new one", client, "new")
		r.readFrom("of the new one", again, client.LocalAddr())
	}, []string{
		`read: "last words", ok`,
		"write: 1, ok",
		`read then: "", read: read: connection refused`,
		"write to the new one: 3, ok",
		`read of the new one: "new", as sent by a *net.UDPAddr`,
	}},
	{"the error of a closed port comes before data", func(w *world, r *report) {
		client, server := w.connectedPair()
		_ = server.Close()
		_, _ = client.Write([]byte("x"))
		w.arrive()
		again := w.packets(w.server, "udp", server.LocalAddr().String())
		_, _ = again.WriteTo([]byte("data"), client.LocalAddr())
		w.arrive()
		r.read("first", client)
		r.read("second", client)
	}, []string{
		`read first: "", read: read: connection refused`,
		`read second: "data", ok`,
	}},
	{"an unconnected socket does not report a closed port", func(w *world, r *report) {
		client, server := w.packetPair()
		_ = server.Close()
		r.writeTo("first", client, "x", server.LocalAddr())
		w.arrive()
		r.writeTo("second", client, "x", server.LocalAddr())
		r.nothing("", client)
	}, []string{
		"write first: 1, ok",
		"write second: 1, ok",
		`read: "", read: ErrDeadlineExceeded, a timeout`,
	}},
	{"Write on an unconnected socket", func(w *world, r *report) {
		client, _ := w.packetPair()
		r.write("", client, "x")
	}, []string{"write: 0, write: write: destination address required"}},
	{"WriteTo on a connected socket", func(w *world, r *report) {
		client, server := w.connectedPair()
		r.writeTo("the peer", client, "x", server.LocalAddr())
		r.writeTo("another", client, "x", client.LocalAddr())
		r.writeTo("nobody", client, "x", nil)
		_, err := client.WriteToUDPAddrPort([]byte("x"), server.LocalAddr().(*net.UDPAddr).AddrPort())
		r.note("by WriteToUDPAddrPort", err)
	}, []string{
		"write the peer: 0, write: ErrWriteToConnected",
		"write another: 0, write: ErrWriteToConnected",
		"write nobody: 0, write: invalid argument",
		"by WriteToUDPAddrPort: write: ErrWriteToConnected",
	}},
	{"WriteTo no address", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("nothing", client, "x", nil)
		r.writeTo("a nil address", client, "x", (*net.UDPAddr)(nil))
		r.writeTo("TCP", client, "x", &net.TCPAddr{IP: net.ParseIP(w.server.v4), Port: portOf(server.LocalAddr())})
		_, err := client.WriteToUDPAddrPort([]byte("x"), netip.AddrPort{})
		r.note("the zero netip.AddrPort", err)
	}, []string{
		"write nothing: 0, write: invalid argument",
		"write a nil address: 0, write: missing address",
		"write TCP: 0, write: invalid argument",
		"the zero netip.AddrPort: write: missing address",
	}},
	{"WriteTo port 0", func(w *world, r *report) {
		client, _ := w.packetPair()
		r.writeTo("", client, "x", &net.UDPAddr{IP: net.ParseIP(w.server.v4)})
		r.dial("port 0", "udp", w.server.v4+":0")
	}, []string{
		"write: 0, write: sendto: invalid argument",
		"dial port 0: ok",
	}},
	{"WriteTo an address of the other family", func(w *world, r *report) {
		w.needIPv6()
		v4, v6 := w.packets(w.client, "udp4", ":0"), w.packets(w.client, "udp6", ":0")
		on4, on6 := w.packets(w.server, "udp4", w.server.v4+":0"), w.packets(w.server, "udp6", net.JoinHostPort(w.server.v6, "0"))
		r.writeTo("IPv6 by udp4", v4, "x", on6.LocalAddr())
		r.writeTo("IPv4 by udp6", v6, "x", on4.LocalAddr())
		r.writeTo("IPv4 by udp4", v4, "x", on4.LocalAddr())
		r.writeTo("IPv6 by udp6", v6, "x", on6.LocalAddr())
		_, err := v4.WriteToUDPAddrPort([]byte("x"), on6.LocalAddr().(*net.UDPAddr).AddrPort())
		r.note("IPv6 by udp4, netip", err)
		_, err = v6.WriteToUDPAddrPort([]byte("x"), on4.LocalAddr().(*net.UDPAddr).AddrPort())
		r.note("IPv4 by udp6, netip", err)
	}, []string{
		"write IPv6 by udp4: 0, write: AddrError non-IPv4 address",
		"write IPv4 by udp6: 0, write: sendto: network is unreachable",
		"write IPv4 by udp4: 1, ok",
		"write IPv6 by udp6: 1, ok",
		"IPv6 by udp4, netip: write: AddrError non-IPv4 address",
		"IPv4 by udp6, netip: write: sendto: network is unreachable",
	}},
	{"a UDP port in use", func(w *world, r *report) {
		conn := w.packets(w.server, "udp", w.server.v4+":0")
		try := func(what, network, address string) {
			again, err := w.server.ListenPacket(network, address)
			if err == nil {
				w.Cleanup(func() { _ = again.Close() })
			}
			r.note(what, err)
		}
		try("the same", "udp", conn.LocalAddr().String())
		try("all of IPv4", "udp4", at("", conn.LocalAddr()))
		try("all", "udp", at("", conn.LocalAddr()))
		try("another address", "udp", at(w.server.other, conn.LocalAddr()))
		_ = conn.Close()
		try("free again", "udp", conn.LocalAddr().String())
	}, []string{
		"the same: listen: bind: address already in use",
		"all of IPv4: listen: bind: address already in use",
		"all: listen: bind: address already in use",
		"another address: ok",
		"free again: ok",
	}},
	{"a UDP port in use by a connected socket", func(w *world, r *report) {
		client, _ := w.connectedPair()
		_, err := w.client.ListenPacket("udp", client.LocalAddr().String())
		r.note("listen", err)
	}, []string{"listen: listen: bind: address already in use"}},
	{"two UDP sockets on port 0", func(w *world, r *report) {
		a, b := w.packets(w.server, "udp", w.server.v4+":0"), w.packets(w.server, "udp", w.server.v4+":0")
		r.add("ports differ: %t", portOf(a.LocalAddr()) != portOf(b.LocalAddr()))
	}, []string{"ports differ: true"}},
	{"UDP deadline in the past", func(w *world, r *report) {
		client, server := w.packetPair()
		_, _ = server.WriteTo([]byte("unread"), client.LocalAddr())
		w.arrive()
		_ = client.SetDeadline(time.Now().Add(-time.Hour))
		r.readFrom("", client, server.LocalAddr())
		r.writeTo("", client, "x", server.LocalAddr())
		_ = client.SetDeadline(time.Time{})
		r.readFrom("taken away", client, server.LocalAddr())
	}, []string{
		`read: "", read: ErrDeadlineExceeded, a timeout, address <nil>`,
		"write: 0, write: ErrDeadlineExceeded, a timeout",
		`read taken away: "unread", as sent by a *net.UDPAddr`,
	}},
	{"UDP deadline in the future", func(w *world, r *report) {
		client, server := w.packetPair()
		_ = client.SetReadDeadline(time.Now().Add(20 * ms))
		r.readFrom("", client, server.LocalAddr())
		r.readFrom("again", client, server.LocalAddr())
		r.writeTo("the other direction", client, "x", server.LocalAddr())
	}, []string{
		`read: "", read: ErrDeadlineExceeded, a timeout, address <nil>`,
		`read again: "", read: ErrDeadlineExceeded, a timeout, address <nil>`,
		"write the other direction: 1, ok",
	}},
	{"UDP deadline set while blocked", func(w *world, r *report) {
		client, server := w.packetPair()
		w.later(func() { _ = client.SetReadDeadline(time.Now()) })
		r.readFrom("", client, server.LocalAddr())
	}, []string{"read: \"\", read: ErrDeadlineExceeded, a timeout, address <nil>"}},
	{"UDP deadline put off while blocked", func(w *world, r *report) {
		client, server := w.packetPair()
		_ = client.SetReadDeadline(time.Now().Add(time.Second))
		w.later(func() {
			_ = client.SetReadDeadline(time.Now().Add(time.Hour))
			time.Sleep(1100 * ms)
			_, _ = server.WriteTo([]byte("late"), client.LocalAddr())
		})
		r.readFrom("", client, server.LocalAddr())
	}, []string{"read: \"late\", as sent by a *net.UDPAddr"}},
	{"close of a UDP socket wakes a reader", func(w *world, r *report) {
		client, server := w.packetPair()
		w.later(func() { _ = client.Close() })
		r.readFrom("blocked", client, server.LocalAddr())
	}, []string{"read blocked: \"\", read: closed, address <nil>"}},
	{"methods of a closed UDP socket", func(w *world, r *report) {
		client, server := w.packetPair()
		_, _ = server.WriteTo([]byte("unread"), client.LocalAddr())
		w.arrive()
		r.note("close", client.Close())
		r.note("close again", client.Close())
		r.readFrom("", client, server.LocalAddr())
		r.read("", client)
		r.writeTo("", client, "x", server.LocalAddr())
		r.write("", client, "x")
		r.note("deadline", client.SetDeadline(time.Now()))
		r.note("read deadline", client.SetReadDeadline(time.Now()))
		r.note("write deadline", client.SetWriteDeadline(time.Now()))
		r.add("the address has a port: %t", portOf(client.LocalAddr()) != 0)
	}, []string{
		"close: ok",
		"close again: close: closed",
		`read: "", read: closed, address <nil>`,
		`read: "", read: closed`,
		"write: 0, write: closed",
		"write: 0, write: closed",
		"deadline: set: closed",
		"read deadline: set: closed",
		"write deadline: set: closed",
		"the address has a port: true",
	}},
	{"methods of a closed connected UDP socket", func(w *world, r *report) {
		client, _ := w.connectedPair()
		r.note("close", client.Close())
		r.note("close again", client.Close())
		r.read("", client)
		r.write("", client, "x")
		_, err := client.Read(nil)
		r.note("read empty", err)
	}, []string{
		"close: ok",
		"close again: close: closed",
		`read: "", read: closed`,
		"write: 0, write: closed",
		"read empty: read: closed",
	}},
	{"addresses in the errors of a UDP socket", func(w *world, r *report) {
		client, server := w.packetPair()
		local, remote := client.LocalAddr(), server.LocalAddr()
		_ = client.SetReadDeadline(time.Now())
		_, _, err := client.ReadFrom(make([]byte, 1))
		r.shape("ReadFrom", err, local, remote)
		_, err = client.Read(make([]byte, 1))
		r.shape("Read", err, local, remote)
		_, err = client.WriteTo(make([]byte, 65508), remote)
		r.shape("WriteTo", err, local, remote)
		_, err = client.WriteTo(nil, nil)
		r.shape("WriteTo nothing", err, local, remote)
		_, err = client.Write(nil)
		r.shape("Write", err, local, remote)
		_ = client.Close()
		r.shape("close", client.Close(), local, remote)
		r.shape("SetDeadline", client.SetDeadline(time.Now()), local, remote)
		_, err = w.server.ListenPacket("udp", remote.String())
		r.shape("in use", err, local, remote)
	}, []string{
		"ReadFrom: read udp, source the client, address nothing",
		"Read: read udp, source the client, address nothing",
		"WriteTo: write udp, source the client, address the server",
		"WriteTo nothing: write udp, source the client, address nothing",
		"Write: write udp, source the client, address nothing",
		"close: close udp, source the client, address nothing",
		"SetDeadline: set udp, source nothing, address the client",
		"in use: listen udp, source nothing, address the server",
	}},
	{"addresses in the errors of a connected UDP socket", func(w *world, r *report) {
		client, server := w.connectedPair()
		local, remote := client.LocalAddr(), server.LocalAddr()
		_ = client.SetReadDeadline(time.Now())
		_, err := client.Read(make([]byte, 1))
		r.shape("Read", err, local, remote)
		_, _, err = client.ReadFrom(make([]byte, 1))
		r.shape("ReadFrom", err, local, remote)
		_, err = client.Write(make([]byte, 65508))
		r.shape("Write", err, local, remote)
		_, err = client.WriteTo([]byte("x"), remote)
		r.shape("WriteTo", err, local, remote)
		_ = client.Close()
		r.shape("close", client.Close(), local, remote)
	}, []string{
		"Read: read udp, source the client, address the server",
		"ReadFrom: read udp, source the client, address the server",
		"Write: write udp, source the client, address the server",
		"WriteTo: write udp, source the client, address the server",
		"close: close udp, source the client, address the server",
	}},
	{"errors of messages", func(w *world, r *report) {
		client, server := w.packetPair()
		connected := w.connect(server.LocalAddr().String())
		to := server.LocalAddr().(*net.UDPAddr)
		for _, c := range []datagrams{client, connected} {
			n, err := c.WriteToUDP([]byte("x"), nil)
			r.add("WriteToUDP nobody: %d, %s", n, describe(err))
			if c == connected {
				n, err = c.WriteToUDP([]byte("x"), to)
				r.add("WriteToUDP: %d, %s", n, describe(err))
				n, _, err = c.WriteMsgUDP([]byte("x"), nil, to)
				r.add("WriteMsgUDP: %d, %s", n, describe(err))
				n, _, err = c.WriteMsgUDPAddrPort([]byte("x"), nil, to.AddrPort())
				r.add("WriteMsgUDPAddrPort: %d, %s", n, describe(err))
				continue
			}
			n, _, err = c.WriteMsgUDP([]byte("x"), nil, nil)
			r.add("WriteMsgUDP nobody: %d, %s", n, describe(err))
			n, _, err = c.WriteMsgUDPAddrPort([]byte("x"), nil, netip.AddrPort{})
			r.add("WriteMsgUDPAddrPort nobody: %d, %s", n, describe(err))
			n, _, err = c.WriteMsgUDP(make([]byte, 65508), nil, to)
			r.add("WriteMsgUDP too much: %d, %s", n, describe(err))
		}
		_ = server.Close()
		refused := func() {
			_, _ = connected.Write([]byte("x"))
			w.arrive()
		}
		refused()
		_, _, err := connected.ReadFrom(make([]byte, 1))
		r.note("ReadFrom", err)
		refused()
		_, _, err = connected.ReadFromUDP(make([]byte, 1))
		r.note("ReadFromUDP", err)
		refused()
		_, _, err = connected.ReadFromUDPAddrPort(make([]byte, 1))
		r.note("ReadFromUDPAddrPort", err)
		refused()
		_, _, _, addr, err := connected.ReadMsgUDP(make([]byte, 1), nil)
		r.note("ReadMsgUDP", err)
		r.add("somebody: %t", addr != nil && addr.Port != 0)
		refused()
		_, _, err = connected.WriteMsgUDP([]byte("x"), nil, nil)
		r.note("WriteMsgUDP", err)
		_ = connected.Close()
		_, _, _, _, err = connected.ReadMsgUDPAddrPort(make([]byte, 1), nil)
		r.note("ReadMsgUDPAddrPort of closed", err)
		_, _, err = connected.WriteMsgUDP(nil, nil, nil)
		r.note("WriteMsgUDP of closed", err)
	}, []string{
		"WriteToUDP nobody: 0, write: missing address",
		"WriteMsgUDP nobody: 0, write: missing address",
		"WriteMsgUDPAddrPort nobody: 0, write: missing address",
		"WriteMsgUDP too much: 0, write: sendmsg: message too long",
		"WriteToUDP nobody: 0, write: ErrWriteToConnected",
		"WriteToUDP: 0, write: ErrWriteToConnected",
		"WriteMsgUDP: 0, write: ErrWriteToConnected",
		"WriteMsgUDPAddrPort: 0, write: ErrWriteToConnected",
		"ReadFrom: read: recvfrom: connection refused",
		"ReadFromUDP: read: recvfrom: connection refused",
		"ReadFromUDPAddrPort: read: recvfrom: connection refused",
		"ReadMsgUDP: read: recvmsg: connection refused",
		"somebody: false",
		"WriteMsgUDP: write: sendmsg: connection refused",
		"ReadMsgUDPAddrPort of closed: read: closed",
		"WriteMsgUDP of closed: write: closed",
	}},
}
