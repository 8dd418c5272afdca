package matrix

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// serveNames is a name server, over UDP, and over TCP for long answers.
func serveNames(ctx context.Context) error {
	var both sync.WaitGroup
	defer both.Wait()
	for _, network := range []string{"udp", "tcp"} {
		s := &dns.Server{Addr: ":53", Net: network, Handler: dns.HandlerFunc(answerName)}
		defer context.AfterFunc(ctx, func() { _ = s.Shutdown() })()
		both.Go(func() { _ = s.ListenAndServe() })
	}
	<-ctx.Done()
	return nil
}

// answerName answers a question for "I.N.poems.".
func answerName(w dns.ResponseWriter, question *dns.Msg) {
	m := new(dns.Msg).SetReply(question)
	q := question.Question[0]
	var i, n int
	_, _ = fmt.Sscanf(q.Name, "%d.%d.", &i, &n)
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
	switch q.Qtype {
	case dns.TypeA:
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.IPv4(192, 0, byte(i), byte(n))})
	case dns.TypeTXT:
		for line := range strings.Lines(string(text(i, n)[:1800])) {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: []string{line}})
		}
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(m)
}

type resolving struct{ net.Resolver }

func (r *resolving) exchange(ctx context.Context, i int) error {
	return atOnce(func(n int) error {
		name := fmt.Sprintf("%d.%d.poems.", i, n)
		if n == 2 {
			texts, err := r.LookupTXT(ctx, name)
			if err == nil && strings.Join(texts, "") != string(text(i, n)[:1800]) {
				err = errDiffers
			}
			return err
		}
		addresses, err := r.LookupHost(ctx, name)
		if err == nil && (len(addresses) != 1 || addresses[0] != fmt.Sprintf("192.0.%d.%d", i, n)) {
			err = fmt.Errorf("%s is %v", name, addresses)
		}
		return err
	})
}

func (*resolving) close() {}

// net.Resolver asks a name server of its own.
var resolverProgram = program{"net.Resolver", "",
	"three concurrent lookups, one of them answered over TCP; the server is that of miekg/dns",
	served(
		serveNames,
		func(context.Context, string) (session, error) {
			return &resolving{net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, "server:53")
			}}}, nil
		},
	)}
