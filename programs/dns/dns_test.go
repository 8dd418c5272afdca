// Package dns runs github.com/miekg/dns: a name server and its clients, over
// UDP, over TCP when an answer is truncated, and for the transfer of a zone.
package dns

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/programs/internal/scenario"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a name server on the server, over UDP and TCP.
func serve(sim *simtest.Sim) {
	host := sim.Host("server")
	handler := dns.NewServeMux()
	handler.HandleFunc("poems.", answer)
	host.Run(func(ctx context.Context) error {
		socket, err := host.ListenPacket("udp", ":53")
		if err != nil {
			return err
		}
		listener, err := host.Listen("tcp", ":53")
		if err != nil {
			return err
		}
		var both sync.WaitGroup
		for _, server := range []*dns.Server{{PacketConn: socket, Handler: handler}, {Listener: listener, Handler: handler}} {
			stop := context.AfterFunc(ctx, func() { _ = server.Shutdown() })
			defer stop()
			both.Go(func() { _ = server.ActivateAndServe() })
		}
		both.Wait()
		return nil
	})
}

// answer answers a question: "N.poems." has N texts, and "poems." 1,000 in a
// transfer.
func answer(w dns.ResponseWriter, question *dns.Msg) {
	m := new(dns.Msg).SetReply(question)
	name := question.Question[0].Name
	if question.Question[0].Qtype == dns.TypeAXFR {
		transfer(w, m, name)
		return
	}
	var n int
	_, _ = fmt.Sscanf(name, "%d.poems.", &n)
	m.Answer = texts(name, n)
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(m)
}

// transfer sends a zone, a hundred records in a message.
func transfer(w dns.ResponseWriter, m *dns.Msg, zone string) {
	soa := &dns.SOA{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET}, Ns: zone, Mbox: zone}
	envelopes := make(chan *dns.Envelope)
	sent := make(chan error)
	go func() { sent <- new(dns.Transfer).Out(w, m, envelopes) }()
	envelopes <- &dns.Envelope{RR: []dns.RR{soa}}
	for range 10 {
		envelopes <- &dns.Envelope{RR: texts(zone, 100)}
	}
	envelopes <- &dns.Envelope{RR: []dns.RR{soa}}
	close(envelopes)
	<-sent
}

func texts(name string, n int) []dns.RR {
	var all []dns.RR
	for i := range n {
		all = append(all, &dns.TXT{
			Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Txt: []string{fmt.Sprintf("line %04d", i)},
		})
	}
	return all
}

// dial connects the client to the name server.
func dial(sim *simtest.Sim, network string) (*dns.Conn, error) {
	conn, err := sim.Host("client").Dial(network, "server:53")
	if err != nil {
		return nil, err
	}
	return &dns.Conn{Conn: conn}, nil
}

// timeout is the client's timeout for an answer.
const timeout = 3 * time.Second

// lookUp asks for the number of texts of a name, and asks again over TCP if not all fit.
func lookUp(sim *simtest.Sim, name string) (n int, err error) {
	m := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
	for _, network := range []string{"udp", "tcp"} {
		conn, err := dial(sim, network)
		if err != nil {
			return 0, err
		}
		client := dns.Client{Net: network, Timeout: timeout}
		reply, _, err := client.ExchangeWithConn(m, conn)
		_ = conn.Close()
		if err != nil {
			return 0, err
		}
		if n = len(reply.Answer); !reply.Truncated {
			break
		}
	}
	return n, nil
}

// Bytes on the wire. Over TCP each message is preceded by its length, two bytes.
const (
	header   = 12
	text     = 10 + 1 + len("line 0000") // the record without its name
	question = 4                         // without its name
	name1    = len("1.poems.") + 1
	name1000 = len("1000.poems.") + 1
	zone     = len("poems.") + 1
	soa      = 10 + 3*zone + 20
)

// A short answer takes one round trip. An answer that does not fit into a datagram
// takes three: the first returns the part that fits, with compressed names; then the
// client connects over TCP, and gets the whole answer. The query's segment is
// acknowledged before the answer. More than the initial window of ten segments causes
// no pause, as the first segments of a connection are acknowledged one by one.
func TestSlowLink(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		ask := func(n int) time.Duration {
			return scenario.Took(func() {
				got, err := lookUp(sim, fmt.Sprintf("%d.poems.", n))
				assert.NoError(t, err)
				assert.Equal(t, n, got)
			})
		}
		query := header + name1 + question
		assert.Equal(t, scenario.RoundTrip+scenario.Bytes(query+query+name1+text), ask(1))
		query = header + name1000 + question
		reply := query + 1000*(name1000+text)
		assert.Equal(t, 3*scenario.RoundTrip+scenario.Bytes(query+dns.MinMsgSize+2+query+2+reply)+scenario.Headers(3+2+scenario.Segments(2+reply)), ask(1000))
		time.Sleep(time.Second) // until the connection is closed

		took := scenario.Took(func() {
			conn, err := dial(sim, "tcp")
			require.NoError(t, err)
			envelopes, err := (&dns.Transfer{Conn: conn}).In(new(dns.Msg).SetAxfr("poems."), "")
			require.NoError(t, err)
			n := 0
			for e := range envelopes {
				assert.NoError(t, e.Error)
				n += len(e.RR)
			}
			assert.Equal(t, 1002, n)
		})
		query = 2 + header + zone + question
		reply = 12*query + 2*soa + 1000*(zone+text)
		assert.Equal(t, 2*scenario.RoundTrip+scenario.Bytes(query+reply)+scenario.Headers(3+2+scenario.Segments(reply)), took)
	})
}

// A datagram is never retransmitted. The client asks until it gets an answer.
func TestPartition(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		scenario.Cut(sim, 5*time.Second)
		assert.Equal(t, 2*timeout+scenario.RoundTrip+scenario.Bytes(2*(header+name1+question)+name1+text), askAgain(t, sim))
	})
}

func TestCrash(t *testing.T) {
	scenario.Same(t, func(t *testing.T, sim *simtest.Sim, _ *scenario.Outcome) {
		serve(sim)
		sim.Settle()
		scenario.Bounce(sim, 2*time.Second)
		assert.Equal(t, timeout+scenario.RoundTrip+scenario.Bytes(2*(header+name1+question)+name1+text), askAgain(t, sim))
	})
}

// askAgain asks until there is an answer, and returns the time that it takes.
func askAgain(t *testing.T, sim *simtest.Sim) time.Duration {
	t.Helper()
	return scenario.Took(func() {
		for sim.Elapsed() < time.Minute {
			n, err := lookUp(sim, "1.poems.")
			if err == nil {
				assert.Equal(t, 1, n)
				return
			}
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	})
}

// Whatever happens to the network and the server, the client gets its answers
// afterwards, and two runs are the same.
func TestFaults(t *testing.T) {
	scenario.Same(t, scenario.Faults(func(_ *testing.T, sim *simtest.Sim) scenario.Work {
		serve(sim)
		return func(context.Context) error {
			_, err := lookUp(sim, "100.poems.")
			return err
		}
	}))
}
