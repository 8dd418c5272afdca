package simtest_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// loopbackName is the name of this machine in the scenarios, which their name server
// knows.
const loopbackName = "server.test"

// newLoopbackResolver returns a resolver that asks a name server which knows one
// name.
func newLoopbackResolver(name string, addrs ...netip.Addr) *net.Resolver {
	s := &nameServer{name + ".", addrs}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		client, server := net.Pipe()
		go s.serve(server)
		return client, nil
	}}
}

// dual returns the addresses of the server's name, in the order of dialling: the
// resolver's order, which on loopback is IPv6 first.
func (w *world) dual() (first, second dualAddress) {
	w.Helper()
	w.needIPv6()
	addrs, err := w.client.Lookup().LookupHost(w.Context(), w.name)
	require.NoError(w, err)
	first, second = dualAddress{"tcp4", w.server.v4}, dualAddress{"tcp6", w.server.v6}
	if addrs[0] != first.ip {
		first, second = second, first
	}
	require.Equal(w, []string{first.ip, second.ip}, addrs)
	return first, second
}

// A dualAddress is one of several addresses of a name.
type dualAddress struct{ network, ip string }

// listenOnOne listens on one address, on a port that is free on the other address.
func (w *world) listenOnOne(on, not dualAddress) net.Listener {
	w.Helper()
	for {
		l := w.listenOn(w.server, on.network, net.JoinHostPort(on.ip, "0"))
		probe, err := w.server.Listen(not.network, at(not.ip, l.Addr()))
		if err == nil {
			_ = probe.Close()
			return l
		}
		_ = l.Close()
	}
}

// on returns an address with the port of another.
func (d dualAddress) on(port net.Addr) net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(d.ip), Port: portOf(port)}
}

// A nameServer answers the real resolver. It knows one name, which has no records other
// than its addresses.
type nameServer struct {
	name  string
	addrs []netip.Addr
}

// serve answers in the format of TCP, with each message after its length.
func (s *nameServer) serve(conn net.Conn) {
	defer conn.Close()
	for {
		length := make([]byte, 2)
		if _, err := io.ReadFull(conn, length); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(length))
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		answer, err := s.answer(message)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func (s *nameServer) answer(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	question := m.Questions[0]
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 1}
	if !strings.EqualFold(question.Name.String(), s.name) {
		m.RCode = dnsmessage.RCodeNameError
		return m.Pack()
	}
	for _, addr := range s.addrs {
		switch {
		case question.Type == dnsmessage.TypeA && addr.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
		case question.Type == dnsmessage.TypeAAAA && addr.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	return m.Pack()
}
