package wireshark

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

var link = netem.Link{Latency: 20 * time.Millisecond, Rate: 10 * netem.Mbps}

// body is the servers' answer.
var body = bytes.Repeat([]byte("so much depends upon a red wheel barrow\n"), 5000)

// A site is a server and a client of HTTP.
type site struct {
	address   string // of the server
	network   string // of the client's dials; "" is either family
	protocols http.Protocols
	tls       bool
}

// get gets the body.
func (s site) get(t *testing.T, sim *simtest.Sim, r *recording) {
	t.Helper()
	scheme := "http"
	l, err := sim.Host("server").Listen("tcp", s.address)
	require.NoError(t, err)
	server := &http.Server{Protocols: &s.protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})}
	transport := &http.Transport{Protocols: &s.protocols, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return sim.Host("client").DialContext(ctx, cmp.Or(s.network, network), address)
	}}
	if s.tls {
		scheme = "https"
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &r.keys}
		go server.ServeTLS(l, "", "")
	} else {
		go server.Serve(l)
	}
	answer, err := (&http.Client{Transport: transport}).Get(scheme + "://server/poem")
	require.NoError(t, err)
	got, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, body, got)
	require.NoError(t, answer.Body.Close())
	transport.CloseIdleConnections()
	time.Sleep(time.Second)
	require.NoError(t, server.Close())
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"server"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func only(set ...func(*http.Protocols, bool)) (p http.Protocols) {
	for _, s := range set {
		s(&p, true)
	}
	return p
}

var (
	http1 = only((*http.Protocols).SetHTTP1)
	http2 = only((*http.Protocols).SetHTTP2)
	h2c   = only((*http.Protocols).SetUnencryptedHTTP2)
)

// The stream in a capture contains exactly the bytes that were sent, in the view of all
// hosts and of one host, over IPv4 and IPv6.
func TestHTTP(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			r := record(t, simtest.Config{Link: link}, site{address: ":80", network: network, protocols: http1}.get)
			for _, host := range []string{"", "client", "server"} {
				f := r.capture(t, host)
				assert.Empty(t, f.matching(t, wrong), host)
				assert.Empty(t, f.matching(t, "tcp.analysis.flags"), host)
				assert.Equal(t, network == "tcp6", len(f.matching(t, "ipv6")) > 0 && len(f.matching(t, "ip")) == 0, host)
				assert.Contains(t, f.fields(t, "http.request", "ip.src_host", "ipv6.src_host"), "client", "its name is in the file")
				assert.Equal(t, []string{"GET /poem", "200 " + strconv.Itoa(len(body))},
					f.fields(t, "http", "http.request.method", "http.request.uri", "http.response.code", "http.content_length"), host)
				first, second := f.follow(t, "0")
				assert.Contains(t, string(first), "GET /poem HTTP/1.1\r\nHost: server\r\n")
				assert.True(t, bytes.HasSuffix(second, body), host)
			}
		})
	}
}

func TestHTTP2(t *testing.T) {
	r := record(t, simtest.Config{Link: link}, site{address: ":80", protocols: h2c}.get)
	f := r.capture(t, "")
	assert.Empty(t, f.matching(t, wrong))
	assert.Equal(t, []string{"/poem"}, f.fields(t, "http2.headers.method", "http2.headers.path"))
	assert.Equal(t, []string{"200"}, f.fields(t, "http2.headers.status", "http2.headers.status"))
}

// The keys in the file decrypt the connections.
func TestTLS(t *testing.T) {
	for name, protocols := range map[string]http.Protocols{"HTTP 1": http1, "HTTP 2": http2} {
		t.Run(name, func(t *testing.T) {
			r := record(t, simtest.Config{Link: link}, site{address: ":443", protocols: protocols, tls: true}.get)
			f := r.capture(t, "client")
			assert.Empty(t, f.matching(t, wrong))
			assert.Equal(t, []string{"server"}, f.fields(t, "tls.handshake.type == 1", "tls.handshake.extensions_server_name"))
			if name == "HTTP 1" {
				assert.Equal(t, []string{"GET /poem"}, f.fields(t, "http.request", "http.request.method", "http.request.uri"))
				assert.Equal(t, []string{strconv.Itoa(len(body))}, f.fields(t, "http.response", "http.content_length"))
			} else {
				assert.Equal(t, []string{"/poem"}, f.fields(t, "http2.headers.method", "http2.headers.path"))
				assert.Equal(t, []string{"200"}, f.fields(t, "http2.headers.status", "http2.headers.status"))
			}
			r.keys.Reset()
			assert.Empty(t, r.capture(t, "client").matching(t, "http || http2"))
		})
	}
}

// For a connection without recorded packets the capture shows plausible ones.
func TestIdealStream(t *testing.T) {
	config := simtest.Config{Link: link, TCP: netem.TCP{Congestion: netem.Unlimited}}
	r := record(t, config, site{address: ":80", protocols: http1}.get)
	for _, host := range []string{"", "client", "server"} {
		f := r.capture(t, host)
		assert.Empty(t, f.matching(t, wrong), host)
		assert.Empty(t, f.matching(t, "tcp.analysis.flags"), host)
		_, second := f.follow(t, "0")
		assert.True(t, bytes.HasSuffix(second, body), host)
		assert.Len(t, f.matching(t, "http.response"), 1, host)
	}
	for i := range r.events {
		r.events[i].Payload = ""
	}
	f := r.capture(t, "")
	assert.Empty(t, f.matching(t, wrong))
	assert.NotEmpty(t, f.matching(t, "frame.cap_len < frame.len"))
	assert.Empty(t, f.matching(t, "tcp.payload"))
}

// pipe returns both ends of a connection between two hosts.
func pipe(t *testing.T, sim *simtest.Sim) (client, server net.Conn) {
	t.Helper()
	l, err := sim.Host("server").Listen("tcp", ":61000")
	require.NoError(t, err)
	client, err = sim.Host("client").DialContext(context.Background(), "tcp", "server:61000")
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	return client, server
}
