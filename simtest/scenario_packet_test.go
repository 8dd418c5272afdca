package simtest_test

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// packetPair opens a socket on either host, on IPv4.
func (w *world) packetPair() (client, server datagrams) {
	w.Helper()
	return w.packets(w.client, "udp", w.client.v4+":0"), w.packets(w.server, "udp", w.server.v4+":0")
}

// connectedPair opens a socket on the client's host that is connected to one on
// the server's.
func (w *world) connectedPair() (client, server datagrams) {
	w.Helper()
	server = w.packets(w.server, "udp", w.server.v4+":0")
	return w.connect(server.LocalAddr().String()), server
}

// nothing reports whether nothing can be read, after waiting long enough for an arrival.
func (r *report) nothing(what string, c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(20 * ms))
	r.read(what, c)
	_ = c.SetReadDeadline(time.Time{})
}

// Datagrams that arrive, or not.
var packetScenarios = []scenario{
	{"a datagram and an answer", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("question", client, "question", server.LocalAddr())
		r.readFrom("question", server, client.LocalAddr())
		r.writeTo("answer", server, "answer", client.LocalAddr())
		r.readFrom("answer", client, server.LocalAddr())
	}, []string{
		"write question: 8, ok",
		`read question: "question", as sent by a *net.UDPAddr`,
		"write answer: 6, ok",
		`read answer: "answer", as sent by a *net.UDPAddr`,
	}},
	{"an answer to the address of ReadFrom", func(w *world, r *report) {
		client, server := w.packetPair()
		_, _ = client.WriteTo([]byte("question"), server.LocalAddr())
		_, from, err := server.ReadFrom(make([]byte, 100))
		require.NoError(w, err)
		r.writeTo("answer", server, "answer", from)
		r.readFrom("answer", client, server.LocalAddr())
	}, []string{
		"write answer: 6, ok",
		`read answer: "answer", as sent by a *net.UDPAddr`,
	}},
	{"datagrams keep their boundaries", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("one", client, "one", server.LocalAddr())
		r.writeTo("two", client, "two", server.LocalAddr())
		w.arrive()
		r.readFrom("one", server, client.LocalAddr())
		r.readFrom("two", server, client.LocalAddr())
	}, []string{
		"write one: 3, ok",
		"write two: 3, ok",
		`read one: "one", as sent by a *net.UDPAddr`,
		`read two: "two", as sent by a *net.UDPAddr`,
	}},
	{"a short buffer loses the rest of a datagram", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("long", client, "long words", server.LocalAddr())
		r.writeTo("next", client, "next", server.LocalAddr())
		short := make([]byte, 4)
		n, from, err := server.ReadFrom(short)
		r.add("short: %q, %s, sender %t", short[:n], describe(err), from.String() == client.LocalAddr().String())
		r.readFrom("next", server, client.LocalAddr())
	}, []string{
		"write long: 10, ok",
		"write next: 4, ok",
		`short: "long", ok, sender true`,
		`read next: "next", as sent by a *net.UDPAddr`,
	}},
	{"a short buffer of a connected socket", func(w *world, r *report) {
		client, server := w.connectedPair()
		r.writeTo("long", server, "long words", client.LocalAddr())
		r.writeTo("next", server, "next", client.LocalAddr())
		short := make([]byte, 4)
		n, err := client.Read(short)
		r.add("short: %q, %s", short[:n], describe(err))
		r.read("next", client)
	}, []string{
		"write long: 10, ok",
		"write next: 4, ok",
		`short: "long", ok`,
		`read next: "next", ok`,
	}},
	{"an empty datagram", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("empty", client, "", server.LocalAddr())
		r.readFrom("empty", server, client.LocalAddr())
	}, []string{
		"write empty: 0, ok",
		`read empty: "", as sent by a *net.UDPAddr`,
	}},
	{"an empty datagram of a connected socket", func(w *world, r *report) {
		client, server := w.connectedPair()
		r.write("empty", client, "")
		r.readFrom("empty", server, client.LocalAddr())
		r.writeTo("empty", server, "", client.LocalAddr())
		r.read("empty", client)
	}, []string{
		"write empty: 0, ok",
		`read empty: "", as sent by a *net.UDPAddr`,
		"write empty: 0, ok",
		`read empty: "", ok`,
	}},
	{"an empty buffer of ReadFrom takes a datagram", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("one", client, "one", server.LocalAddr())
		r.writeTo("two", client, "two", server.LocalAddr())
		n, from, err := server.ReadFrom(nil)
		r.add("ReadFrom: %d, %s, sender %t", n, describe(err), from != nil && from.String() == client.LocalAddr().String())
		r.readFrom("then", server, client.LocalAddr())
	}, []string{
		"write one: 3, ok",
		"write two: 3, ok",
		"ReadFrom: 0, ok, sender true",
		`read then: "two", as sent by a *net.UDPAddr`,
	}},
	{"an empty buffer of Read takes no datagram", func(w *world, r *report) {
		client, server := w.connectedPair()
		r.writeTo("one", server, "one", client.LocalAddr())
		n, err := client.Read(nil)
		r.add("Read: %d, %s", n, describe(err))
		r.read("then", client)
	}, []string{
		"write one: 3, ok",
		"Read: 0, ok",
		`read then: "one", ok`,
	}},
	{"the largest datagram", func(w *world, r *report) {
		client, server := w.packetPair()
		data := strings.Repeat("x", 65507)
		r.writeTo("largest", client, data, server.LocalAddr())
		buffer := make([]byte, 1<<16)
		n, _, err := server.ReadFrom(buffer)
		r.add("read: %t, %s", string(buffer[:n]) == data, describe(err))
	}, []string{
		"write largest: 65507, ok",
		"read: true, ok",
	}},
	{"the largest datagram of IPv6", func(w *world, r *report) {
		w.needIPv6()
		client := w.packets(w.client, "udp", net.JoinHostPort(w.client.v6, "0"))
		server := w.packets(w.server, "udp", net.JoinHostPort(w.server.v6, "0"))
		for _, size := range []int{65508, 65527, 65528} {
			n, err := client.WriteTo(make([]byte, size), server.LocalAddr())
			r.add("write %d: %d, %s", size, n, describe(err))
			if err == nil {
				n, _, err = server.ReadFrom(make([]byte, 1<<16))
				r.add("read: %d, %s", n, describe(err))
			}
		}
	}, []string{
		"write 65508: 65508, ok",
		"read: 65508, ok",
		"write 65527: 65527, ok",
		"read: 65527, ok",
		"write 65528: 0, write: sendto: message too long",
	}},
	{"a connected socket", func(w *world, r *report) {
		client, server := w.connectedPair()
		r.write("question", client, "question")
		r.readFrom("question", server, client.LocalAddr())
		r.writeTo("answer", server, "answer", client.LocalAddr())
		r.read("answer", client)
		r.writeTo("more", server, "more", client.LocalAddr())
		r.readFrom("more by ReadFrom", client, server.LocalAddr())
	}, []string{
		"write question: 8, ok",
		`read question: "question", as sent by a *net.UDPAddr`,
		"write answer: 6, ok",
		`read answer: "answer", ok`,
		"write more: 4, ok",
		`read more by ReadFrom: "more", as sent by a *net.UDPAddr`,
	}},
	{"a connected socket hears only its peer", func(w *world, r *report) {
		client, server := w.connectedPair()
		other := w.packets(w.server, "udp", w.server.v4+":0")
		r.writeTo("by another", other, "other", client.LocalAddr())
		r.writeTo("by the peer", server, "peer", client.LocalAddr())
		r.read("", client)
		r.nothing("more", client)
	}, []string{
		"write by another: 5, ok",
		"write by the peer: 4, ok",
		`read: "peer", ok`,
		`read more: "", read: ErrDeadlineExceeded, a timeout`,
	}},
	{"two connected sockets get their own datagrams", func(w *world, r *report) {
		a, server := w.connectedPair()
		b := w.connect(server.LocalAddr().String())
		r.writeTo("to b", server, "b", b.LocalAddr())
		r.writeTo("to a", server, "a", a.LocalAddr())
		r.read("of a", a)
		r.read("of b", b)
	}, []string{
		"write to b: 1, ok",
		"write to a: 1, ok",
		`read of a: "a", ok`,
		`read of b: "b", ok`,
	}},
	{"Read of a socket that is not connected", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("", client, "x", server.LocalAddr())
		r.read("", server)
	}, []string{
		"write: 1, ok",
		`read: "x", ok`,
	}},
	{"addresses of sockets", func(w *world, r *report) {
		w.needIPv6()
		for _, on := range [][2]string{{"udp", ":0"}, {"udp4", ":0"}, {"udp6", ":0"}, {"udp4", "127.0.0.1:0"}, {"udp", "[::1]:0"}, {"udp", ""}} {
			conn := w.packets(w.server, on[0], on[1])
			addr := conn.LocalAddr().(*net.UDPAddr)
			r.add("%s %s: %s, %s, %d bytes, port %t, remote %v", on[0], on[1], addr.Network(), addr.IP, len(addr.IP), addr.Port != 0, conn.RemoteAddr())
		}
	}, []string{
		"udp :0: udp, ::, 16 bytes, port true, remote <nil>",
		"udp4 :0: udp, 0.0.0.0, 4 bytes, port true, remote <nil>",
		"udp6 :0: udp, ::, 16 bytes, port true, remote <nil>",
		"udp4 127.0.0.1:0: udp, 127.0.0.1, 4 bytes, port true, remote <nil>",
		"udp [::1]:0: udp, ::1, 16 bytes, port true, remote <nil>",
		"udp : udp, ::, 16 bytes, port true, remote <nil>",
	}},
	{"addresses of a connected socket", func(w *world, r *report) {
		client, server := w.connectedPair()
		r.add("remote: %T, %t", client.RemoteAddr(), client.RemoteAddr().String() == server.LocalAddr().String())
		local := client.LocalAddr().(*net.UDPAddr)
		r.add("local: %s, %d bytes, unspecified %t, port %t", local.Network(), len(local.IP), local.IP.IsUnspecified(), local.Port != 0)
	}, []string{
		"remote: *net.UDPAddr, true",
		"local: udp, 4 bytes, unspecified false, port true",
	}},
	{"a socket on all addresses answers from one", func(w *world, r *report) {
		client := w.packets(w.client, "udp4", w.client.v4+":0")
		server := w.packets(w.server, "udp4", ":0")
		to := &net.UDPAddr{IP: net.ParseIP(w.server.v4), Port: portOf(server.LocalAddr())}
		r.writeTo("question", client, "question", to)
		_, from, err := server.ReadFrom(make([]byte, 100))
		require.NoError(w, err)
		r.writeTo("answer", server, "answer", from)
		_, from, err = client.ReadFrom(make([]byte, 100))
		r.add("the port: %t, unspecified %t, %s", portOf(from) == to.Port, from.(*net.UDPAddr).IP.IsUnspecified(), describe(err))
	}, []string{
		"write question: 8, ok",
		"write answer: 6, ok",
		"the port: true, unspecified false, ok",
	}},
	{"a socket of both families tells an IPv4 sender", func(w *world, r *report) {
		w.needIPv6()
		client := w.packets(w.client, "udp4", w.client.v4+":0")
		server := w.packets(w.server, "udp", ":0")
		to := &net.UDPAddr{IP: net.ParseIP(w.server.v4), Port: portOf(server.LocalAddr())}
		r.writeTo("one", client, "one", to)
		r.writeTo("two", client, "two", to)
		r.readFrom("one", server, client.LocalAddr())
		_, from, err := server.ReadFromUDPAddrPort(make([]byte, 100))
		r.add("IPv4 in IPv6: %t, port %t, %s", from.Addr().Is4In6(), int(from.Port()) == portOf(client.LocalAddr()), describe(err))
		_, err = server.WriteToUDPAddrPort([]byte("answer"), from)
		r.note("answer", err)
		r.read("answer", client)
		r.writeTo("another answer", server, "answer", client.LocalAddr())
		r.read("another answer", client)
	}, []string{
		"write one: 3, ok",
		"write two: 3, ok",
		`read one: "one", as sent by a *net.UDPAddr`,
		"IPv4 in IPv6: true, port true, ok",
		"answer: ok",
		`read answer: "answer", ok`,
		"write another answer: 6, ok",
		`read another answer: "answer", ok`,
	}},
	{"addresses of package netip", func(w *world, r *report) {
		client, server := w.packetPair()
		to := server.LocalAddr().(*net.UDPAddr).AddrPort()
		n, err := client.WriteToUDPAddrPort([]byte("hello"), to)
		r.add("write: %d, %s", n, describe(err))
		buffer := make([]byte, 100)
		n, from, err := server.ReadFromUDPAddrPort(buffer)
		r.add("read: %q, %s, sender %t, IPv4 %t", buffer[:n], describe(err), from.String() == client.LocalAddr().String(), from.Addr().Is4())
		n, err = client.WriteToUDPAddrPort([]byte("mapped"), netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port()))
		r.add("write to IPv4 in IPv6: %d, %s", n, describe(err))
		r.readFrom("", server, client.LocalAddr())
	}, []string{
		"write: 5, ok",
		`read: "hello", ok, sender true, IPv4 true`,
		"write to IPv4 in IPv6: 6, ok",
		`read: "mapped", as sent by a *net.UDPAddr`,
	}},
	{"nobody reads, and datagrams are dropped", func(w *world, r *report) {
		client, server := w.packetPair()
		const count = 2000
		require.NoError(w, server.SetReadBuffer(1<<16))
		for i := range count {
			n, err := client.WriteTo(append(make([]byte, 999), byte(min(i, 1))), server.LocalAddr())
			if n != 1000 || err != nil {
				r.add("write: %d, %s", n, describe(err))
			}
		}
		w.arrive()
		_ = server.SetReadDeadline(time.Now().Add(100 * ms))
		buffer := make([]byte, 1000)
		n, err := server.Read(buffer)
		r.add("the first: %d, %s, %t", n, describe(err), buffer[999] == 0)
		received := 1
		for err == nil {
			if _, err = server.Read(buffer); err == nil {
				received++
			}
		}
		r.add("some: %t, all: %t, then %s", received > 10, received == count, describe(err))
	}, []string{
		"the first: 1000, ok, true",
		"some: true, all: false, then read: ErrDeadlineExceeded, a timeout",
	}},
	{"unread datagrams are lost with the socket", func(w *world, r *report) {
		client, server := w.packetPair()
		r.writeTo("", client, "x", server.LocalAddr())
		w.arrive()
		_ = server.Close()
		again := w.packets(w.server, "udp", server.LocalAddr().String())
		r.nothing("", again)
		r.writeTo("", client, "y", again.LocalAddr())
		r.readFrom("", again, client.LocalAddr())
	}, []string{
		"write: 1, ok",
		`read: "", read: ErrDeadlineExceeded, a timeout`,
		"write: 1, ok",
		`read: "y", as sent by a *net.UDPAddr`,
	}},
	{"a socket sends to itself", func(w *world, r *report) {
		client, _ := w.packetPair()
		r.writeTo("", client, "x", client.LocalAddr())
		r.readFrom("", client, client.LocalAddr())
	}, []string{
		"write: 1, ok",
		`read: "x", as sent by a *net.UDPAddr`,
	}},
	{"sizes of a socket's buffers", func(w *world, r *report) {
		client, _ := w.packetPair()
		r.note("read", client.SetReadBuffer(1<<16))
		r.note("write", client.SetWriteBuffer(1<<16))
		_ = client.Close()
		r.note("read of closed", client.SetReadBuffer(1<<16))
		r.note("write of closed", client.SetWriteBuffer(1<<16))
		r.shape("read of closed", client.SetReadBuffer(1<<16), nil, client.LocalAddr())
		r.shape("write of closed", client.SetWriteBuffer(1<<16), nil, client.LocalAddr())
	}, []string{
		"read: ok",
		"write: ok",
		"read of closed: set: closed",
		"write of closed: set: closed",
		"read of closed: set udp, source nothing, address the server",
		"write of closed: set udp, source nothing, address the server",
	}},
	{"messages", func(w *world, r *report) {
		client, server := w.packetPair()
		to, from := server.LocalAddr().(*net.UDPAddr), client.LocalAddr().(*net.UDPAddr)
		buffer := make([]byte, 4)
		n, err := client.WriteToUDP([]byte("one"), to)
		r.add("WriteToUDP: %d, %s", n, describe(err))
		n, addr, err := server.ReadFromUDP(buffer)
		r.add("ReadFromUDP: %q, sender %t, %d bytes, %s", buffer[:n], addr.String() == from.String(), len(addr.IP), describe(err))
		n, oobn, err := client.WriteMsgUDP([]byte("two"), nil, to)
		r.add("WriteMsgUDP: %d, %d, %s", n, oobn, describe(err))
		n, oobn, flags, addr, err := server.ReadMsgUDP(buffer, make([]byte, 100))
		r.add("ReadMsgUDP: %q, %d, cut %t, sender %t, %s", buffer[:n], oobn, flags&0x20 != 0, addr.String() == from.String(), describe(err))
		n, oobn, err = client.WriteMsgUDPAddrPort([]byte("three"), nil, to.AddrPort())
		r.add("WriteMsgUDPAddrPort: %d, %d, %s", n, oobn, describe(err))
		n, oobn, flags, port, err := server.ReadMsgUDPAddrPort(buffer, nil)
		r.add("ReadMsgUDPAddrPort: %q, %d, cut %t, sender %t, %s", buffer[:n], oobn, flags&0x20 != 0, port == from.AddrPort(), describe(err))
	}, []string{
		"WriteToUDP: 3, ok",
		`ReadFromUDP: "one", sender true, 4 bytes, ok`,
		"WriteMsgUDP: 3, 0, ok",
		`ReadMsgUDP: "two", 0, cut false, sender true, ok`,
		"WriteMsgUDPAddrPort: 5, 0, ok",
		`ReadMsgUDPAddrPort: "thre", 0, cut true, sender true, ok`,
	}},
	{"messages of a connected socket", func(w *world, r *report) {
		client, server := w.connectedPair()
		n, _, err := client.WriteMsgUDP([]byte("one"), nil, nil)
		r.add("WriteMsgUDP: %d, %s", n, describe(err))
		r.readFrom("", server, client.LocalAddr())
	}, []string{ // Go 1.25 and 1.26 differ on WriteMsgUDPAddrPort without an address
		"WriteMsgUDP: 3, ok",
		`read: "one", as sent by a *net.UDPAddr`,
	}},
}
