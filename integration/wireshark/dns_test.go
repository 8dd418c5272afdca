package wireshark

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestDNS(t *testing.T) {
	r := record(t, simtest.Config{Link: link}, func(t *testing.T, sim *simtest.Sim, _ *recording) {
		server, err := sim.Host("names").ListenPacket("udp", ":53")
		require.NoError(t, err)
		go func() {
			buffer := make([]byte, 512)
			for {
				n, from, err := server.ReadFrom(buffer)
				if err != nil {
					return
				}
				var m dnsmessage.Message
				if m.Unpack(buffer[:n]) != nil {
					continue
				}
				m.Header.Response = true
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 60},
					Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
				}}
				answer, _ := m.Pack()
				_, _ = server.WriteTo(answer, from)
			}
		}()
		client, err := sim.Host("client").Dial("udp", "names:53")
		require.NoError(t, err)
		question := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("poems.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
		}
		packed, err := question.Pack()
		require.NoError(t, err)
		_, err = client.Write(packed)
		require.NoError(t, err)
		buffer := make([]byte, 512)
		_, err = client.Read(buffer)
		require.NoError(t, err)
		time.Sleep(time.Second)
	})
	for _, host := range []string{"", "client", "names"} {
		f := r.capture(t, host)
		assert.Empty(t, f.matching(t, wrong), host)
		assert.Equal(t, []string{"client poems.example"}, f.fields(t, "dns.flags.response == 0", "ip.src_host", "dns.qry.name"), host)
		assert.Equal(t, []string{"names 192.0.2.1"}, f.fields(t, "dns.flags.response == 1", "ip.src_host", "dns.a"), host)
	}
}
