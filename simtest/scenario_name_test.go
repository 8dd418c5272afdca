package simtest_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
)

// Names.
var nameScenarios = []scenario{
	{"dial an unknown name", func(w *world, r *report) {
		r.dial("TCP", "tcp", unknownName+":1")
		r.dial("UDP", "udp", unknownName+":1")
		_, err := w.client.DialContext(w.Context(), "tcp", unknownName+":1")
		r.shape("the error", err, nil, &net.TCPAddr{})
	}, []string{
		`dial TCP: dial: DNSError "nowhere.invalid" no such host, not found true`,
		`dial UDP: dial: DNSError "nowhere.invalid" no such host, not found true`,
		"the error: dial tcp, source nothing, address nothing",
	}},
	{"listen on an unknown name", func(w *world, r *report) {
		w.needNameServer()
		r.listen("", w.server, "tcp", unknownName+":0")
		_, err := w.server.ListenPacket("udp", unknownName+":0")
		r.note("listen UDP", err)
	}, []string{
		`listen: listen: DNSError "nowhere.invalid" no such host, not found true`,
		`listen UDP: listen: DNSError "nowhere.invalid" no such host, not found true`,
	}},
	{"look up an unknown name", func(w *world, r *report) {
		lookup := w.client.Lookup()
		hosts, err := lookup.LookupHost(w.Context(), unknownName)
		r.add("LookupHost: %v, %s", hosts, describe(err))
		addrs, err := lookup.LookupIPAddr(w.Context(), unknownName)
		r.add("LookupIPAddr: %v, %s", addrs, describe(err))
		ips, err := lookup.LookupNetIP(w.Context(), "ip", unknownName)
		r.add("LookupNetIP: %v, %s", ips, describe(err))
	}, []string{
		`LookupHost: [], DNSError "nowhere.invalid" no such host, not found true`,
		`LookupIPAddr: [], DNSError "nowhere.invalid" no such host, not found true`,
		`LookupNetIP: [], DNSError "nowhere.invalid" no such host, not found true`,
	}},
	{"look up an empty name", func(w *world, r *report) {
		lookup := w.client.Lookup()
		hosts, err := lookup.LookupHost(w.Context(), "")
		r.add("LookupHost: %v, %s", hosts, describe(err))
		addrs, err := lookup.LookupIPAddr(w.Context(), "")
		r.add("LookupIPAddr: %v, %s", addrs, describe(err))
		ips, err := lookup.LookupNetIP(w.Context(), "ip4", "")
		r.add("LookupNetIP: %v, %s", ips, describe(err))
	}, []string{
		`LookupHost: [], DNSError "" no such host, not found true`,
		`LookupIPAddr: [], DNSError "" no such host, not found true`,
		`LookupNetIP: [], DNSError "" no such host, not found true`,
	}},
	{"look up an invalid name", func(w *world, r *report) {
		for _, name := range []string{"two words", "host:80", "[::1]", "a..b"} {
			hosts, err := w.client.Lookup().LookupHost(w.Context(), name)
			r.add("%v, %s", hosts, describe(err))
		}
	}, []string{
		`[], DNSError "two words" no such host, not found true`,
		`[], DNSError "host:80" no such host, not found true`,
		`[], DNSError "[::1]" no such host, not found true`,
		`[], DNSError "a..b" no such host, not found true`,
	}},
	{"look up an address", func(w *world, r *report) {
		lookup := w.client.Lookup()
		for _, name := range []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"} {
			hosts, err := lookup.LookupHost(w.Context(), name)
			r.add("LookupHost: %v, %s", hosts, describe(err))
			addrs, err := lookup.LookupIPAddr(w.Context(), name)
			r.add("LookupIPAddr: %v, %s", addrs, describe(err))
			for _, network := range []string{"ip", "ip4", "ip6"} {
				ips, err := lookup.LookupNetIP(w.Context(), network, name)
				for i := range ips {
					ips[i] = ips[i].Unmap() // on loopback, IPv4 literals give IPv4-mapped addresses
				}
				r.add("LookupNetIP %s: %v, %s", network, ips, describe(err))
			}
		}
	}, []string{
		"LookupHost: [192.0.2.1], ok",
		"LookupIPAddr: [{192.0.2.1 }], ok",
		"LookupNetIP ip: [192.0.2.1], ok",
		"LookupNetIP ip4: [192.0.2.1], ok",
		"LookupNetIP ip6: [], AddrError no suitable address found",
		"LookupHost: [2001:db8::1], ok",
		"LookupIPAddr: [{2001:db8::1 }], ok",
		"LookupNetIP ip: [2001:db8::1], ok",
		"LookupNetIP ip4: [], AddrError no suitable address found",
		"LookupNetIP ip6: [2001:db8::1], ok",
		"LookupHost: [::ffff:192.0.2.1], ok",
		"LookupIPAddr: [{192.0.2.1 }], ok",
		"LookupNetIP ip: [192.0.2.1], ok",
		"LookupNetIP ip4: [192.0.2.1], ok",
		"LookupNetIP ip6: [], AddrError no suitable address found",
	}},
	{"look up localhost", func(w *world, r *report) {
		hosts, err := w.client.Lookup().LookupHost(w.Context(), "localhost")
		r.add("includes 127.0.0.1: %t, %s", slices.Contains(hosts, "127.0.0.1"), describe(err))
		l := w.listenOn(w.client, "tcp4", "localhost:0")
		r.add("%s", l.Addr().(*net.TCPAddr).IP)
		r.dial("", "tcp4", at("localhost", l.Addr()))
	}, []string{
		"includes 127.0.0.1: true, ok",
		"127.0.0.1",
		"dial: ok",
	}},
	{"look up a port", func(w *world, r *report) {
		for _, service := range [][2]string{{"tcp", "http"}, {"tcp", "HTTPS"}, {"udp", "domain"}, {"tcp4", "http"}, {"tcp6", "http"}, {"ip", "http"}, {"", "http"}, {"tcp", "80"}, {"tcp", "0"}, {"tcp", ""}, {"tcp", "65535"},
			{"tcp", "65536"}, {"tcp", "-1"}, {"tcp", "+80"}, {"tcp", "nosuchport"}, {"udp", "http "}, {"tcp5", "http"}, {"tcp5", "80"}} {
			port, err := w.client.Lookup().LookupPort(w.Context(), service[0], service[1])
			r.add("%s %q: %d, %s", service[0], service[1], port, describe(err))
		}
	}, []string{
		`tcp "http": 80, ok`,
		`tcp "HTTPS": 443, ok`,
		`udp "domain": 53, ok`,
		`tcp4 "http": 80, ok`,
		`tcp6 "http": 80, ok`,
		`ip "http": 80, ok`,
		` "http": 80, ok`,
		`tcp "80": 80, ok`,
		`tcp "0": 0, ok`,
		`tcp "": 0, ok`,
		`tcp "65535": 65535, ok`,
		`tcp "65536": 0, AddrError invalid port`,
		`tcp "-1": 0, AddrError invalid port`,
		`tcp "+80": 80, ok`,
		`tcp "nosuchport": 0, DNSError "tcp/nosuchport" unknown port, not found true`,
		`udp "http ": 0, DNSError "udp/http " unknown port, not found true`,
		`tcp5 "http": 0, AddrError unknown network`,
		`tcp5 "80": 80, ok`,
	}},
	{"look up on an unknown network", func(w *world, r *report) {
		ips, err := w.client.Lookup().LookupNetIP(w.Context(), "tcp", "192.0.2.1")
		r.add("%v, %s", ips, describe(err))
	}, []string{"[], UnknownNetworkError unknown network tcp"}},
	{"look up with a canceled context", func(w *world, r *report) {
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		hosts, err := w.client.Lookup().LookupHost(ctx, "192.0.2.1")
		r.add("an address: %v, %s", hosts, describe(err))
		hosts, err = w.client.Lookup().LookupHost(ctx, unknownName)
		r.add("a name: %v, %T, not found %t, Canceled %t", hosts, err, isNotFound(err), errors.Is(err, context.Canceled))
	}, []string{
		"an address: [192.0.2.1], ok",
		"a name: [], *net.DNSError, not found false, Canceled true",
	}},
	{"look up records of a name", func(w *world, r *report) {
		lookup := w.client.Lookup()
		for _, name := range []string{w.name, unknownName, "two words"} {
			nothing := func(call string, n int, err error, asked string) {
				var dnsError *net.DNSError
				r.add("%s: %d, not found %t, name as queried %t", call, n, isNotFound(err), errors.As(err, &dnsError) && dnsError.Name == asked)
			}
			cname, err := lookup.LookupCNAME(w.Context(), name)
			r.add("LookupCNAME: %t, not found %t", cname == name+".", isNotFound(err))
			txt, err := lookup.LookupTXT(w.Context(), name)
			nothing("LookupTXT", len(txt), err, name)
			mx, err := lookup.LookupMX(w.Context(), name)
			nothing("LookupMX", len(mx), err, name)
			ns, err := lookup.LookupNS(w.Context(), name)
			nothing("LookupNS", len(ns), err, name)
			cname, srv, err := lookup.LookupSRV(w.Context(), "http", "tcp", name)
			nothing("LookupSRV"+cname, len(srv), err, "_http._tcp."+name)
			cname, srv, err = lookup.LookupSRV(w.Context(), "", "", name)
			nothing("LookupSRV"+cname, len(srv), err, name)
		}
	}, slices.Concat([]string{"LookupCNAME: true, not found false"}, noRecords,
		[]string{"LookupCNAME: false, not found true"}, noRecords,
		[]string{"LookupCNAME: false, not found true"}, noRecords)},
	{"look up a name in other spellings", func(w *world, r *report) {
		for _, name := range []string{w.name, strings.ToUpper(w.name), w.name + "."} {
			hosts, err := w.client.Lookup().LookupHost(w.Context(), name)
			slices.Sort(hosts)
			want := []string{w.server.v4, w.server.v6}
			slices.Sort(want)
			r.add("both: %t, %s", slices.Equal(hosts, want), describe(err))
			name, err = w.client.Lookup().LookupCNAME(w.Context(), name)
			r.add("CNAME: %t, %s", strings.EqualFold(name, w.name+"."), describe(err))
		}
	}, []string{
		"both: true, ok",
		"CNAME: true, ok",
		"both: true, ok",
		"CNAME: true, ok",
		"both: true, ok",
		"CNAME: true, ok",
	}},
}

// Results of record lookups for a name without records.
var noRecords = []string{
	"LookupTXT: 0, not found true, name as queried true",
	"LookupMX: 0, not found true, name as queried true",
	"LookupNS: 0, not found true, name as queried true",
	"LookupSRV: 0, not found true, name as queried true",
	"LookupSRV: 0, not found true, name as queried true",
}
