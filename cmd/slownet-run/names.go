package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// names resolves names for the command as the host does: addresses with the host's
// resolver, which uses its files and services, and other records with the host's name
// server.
type names struct {
	ipv6  bool         // the command can use IPv6
	extra atomic.Int64 // extra time of each answer, a time.Duration
}

// lookupTimeout is the maximum time for a query. Programs repeat a query after five
// seconds.
const lookupTimeout = 10 * time.Second

// delay sets the extra time of each answer.
func (n *names) delay(extra time.Duration) { n.extra.Store(int64(extra)) }

// serveUDP answers the queries of a flow.
func (n *names) serveUDP(conn net.Conn) {
	defer conn.Close()
	for {
		question := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(lookupTimeout))
		count, err := conn.Read(question)
		if err != nil {
			return
		}
		go func() { // answers to one socket may be out of order
			if answer := n.answer(question[:count], maxUDPAnswer); answer != nil {
				_, _ = conn.Write(answer)
			}
		}()
	}
}

// serveTCP answers the queries of a connection.
func (n *names) serveTCP(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		answer := n.answer(question, 1<<16-1)
		if answer == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// maxUDPAnswer is the maximum size of an answer in a datagram, unless the query allows more
// (RFC 1035).
const maxUDPAnswer = 512

// answer answers a query, and ignores other messages.
func (n *names) answer(question []byte, most int) []byte {
	start := time.Now()
	defer func() { time.Sleep(time.Duration(n.extra.Load()) - time.Since(start)) }()
	var parser dnsmessage.Parser
	header, err := parser.Start(question)
	if err != nil || header.Response {
		return nil
	}
	q, err := parser.Question()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	own := name == hostName || name == gatewayName || strings.HasSuffix(name, ".slownet")
	if !own && (q.Class != dnsmessage.ClassINET || q.Type != dnsmessage.TypeA && q.Type != dnsmessage.TypeAAAA) {
		answer, err := forwardQuestion(ctx, question, most)
		if err == nil {
			return answer
		}
		return compose(header, q, nil, dnsmessage.RCodeServerFailure, most)
	}
	addresses, code := n.addresses(ctx, name, q.Type)
	return compose(header, q, addresses, code, most)
}

// addresses returns the addresses of a name, in the IP version of the query's type.
func (n *names) addresses(ctx context.Context, name string, kind dnsmessage.Type) ([]netip.Addr, dnsmessage.RCode) {
	if own, ok := map[string]netip.Addr{hostName: hostAddress, gatewayName: gatewayAddress}[name]; ok {
		if kind == dnsmessage.TypeA {
			return []netip.Addr{own}, dnsmessage.RCodeSuccess
		}
		return nil, dnsmessage.RCodeSuccess
	}
	if strings.HasSuffix(name, ".slownet") {
		return nil, dnsmessage.RCodeNameError
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if missing := (*net.DNSError)(nil); errors.As(err, &missing) && missing.IsNotFound {
		return nil, dnsmessage.RCodeNameError
	} else if err != nil {
		return nil, dnsmessage.RCodeServerFailure
	}
	var wanted []netip.Addr
	for _, a := range all {
		a = a.Unmap().WithZone("")
		switch {
		case a.Is4() && kind == dnsmessage.TypeA, a.Is6() && kind == dnsmessage.TypeAAAA && n.ipv6:
			wanted = append(wanted, a)
		}
	}
	return wanted, dnsmessage.RCodeSuccess
}

// compose returns an answer of at most the given size. A larger answer is emptied, and
// marked as truncated.
func compose(header dnsmessage.Header, q dnsmessage.Question, addresses []netip.Addr, code dnsmessage.RCode, most int) []byte {
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true, RCode: code},
		Questions: []dnsmessage.Question{q},
	}
	for _, a := range addresses {
		// The host may cache the answer, so the command need not.
		resource := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}}
		if a.Is4() {
			resource.Body = &dnsmessage.AResource{A: a.As4()}
		} else {
			resource.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		}
		answer.Answers = append(answer.Answers, resource)
	}
	packed, err := answer.Pack()
	if err == nil && len(packed) > most {
		answer.Answers, answer.Truncated = nil, true
		packed, err = answer.Pack()
	}
	if err != nil {
		return nil
	}
	return packed
}

// forwardQuestion forwards a query to the host's name server.
func forwardQuestion(ctx context.Context, question []byte, most int) ([]byte, error) {
	server := nameServer("/etc/resolv.conf")
	network := "udp"
	if most > maxUDPAnswer {
		network = "tcp"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(server, "53"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if network == "udp" {
		if _, err := conn.Write(question); err != nil {
			return nil, err
		}
		answer := make([]byte, 1<<16)
		count, err := conn.Read(answer)
		return answer[:count], err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err = io.ReadFull(conn, answer)
	return answer, err
}

// nameServer returns the first name server of a resolv.conf; the default is this
// machine.
func nameServer(file string) string {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "nameserver" {
			return fields[1]
		}
	}
	return "127.0.0.1"
}
