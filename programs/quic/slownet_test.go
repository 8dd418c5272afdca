package quic

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With these methods quic-go reads and writes control messages. It then also
// needs ReadBatch; otherwise it reads the descriptor itself, bypassing the
// link.
var _ quic.OOBCapablePacketConn = (*slownet.PacketConn)(nil)

// quic-go over a real socket marks its packets (ECN), and writes and reads many
// at once. All of them cross the link, in both directions and at either end.
func TestEveryPacketOfARealSocketCrossesTheLink(t *testing.T) {
	const latency = 50 * time.Millisecond
	link := netem.Link{Latency: latency, MTU: 1500}
	for name, configs := range map[string]struct{ server, client slownet.Config }{
		"at the client": {client: slownet.Config{Read: link, Write: link}},
		"at the server": {server: slownet.Config{Read: link, Write: link}},
		"what is sent":  {server: slownet.Config{Write: link}, client: slownet.Config{Write: link}},
		"what is read":  {server: slownet.Config{Read: link}, client: slownet.Config{Read: link}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var serverPassed, clientPassed [2]atomic.Int64
			configs.server.Trace, configs.client.Trace = counter(t, &serverPassed), counter(t, &clientPassed)
			poem := bytes.Repeat([]byte("a thousand lines of it, "), 1<<16)
			echo, took := overLoopback(t, configs.server, configs.client, poem)
			assert.True(t, bytes.Equal(poem, echo), "sent %d bytes, and %d came back", len(poem), len(echo))
			assert.GreaterOrEqual(t, took, 2*latency)
			for direction := range 2 { // the packets of the poem passed each of them, whether or not it delayed them
				assert.Greater(t, serverPassed[direction].Load(), int64(len(poem)), "server, %v", slownet.Direction(direction))
				assert.Greater(t, clientPassed[direction].Load(), int64(len(poem)), "client, %v", slownet.Direction(direction))
			}
		})
	}
}

// counter counts the bytes that pass, by direction.
func counter(t *testing.T, passed *[2]atomic.Int64) func(trace.Event) {
	return func(e trace.Event) {
		switch e.Kind {
		case trace.Data:
			passed[slownet.DirectionOf(e)].Add(int64(e.Length))
		case trace.Drop:
			if e.Note != "closed" {
				t.Errorf("%v", e)
			}
		}
	}
}

// overLoopback makes a server echo a client's data. It returns the echo, and
// the time of its first byte.
func overLoopback(t *testing.T, serverConfig, clientConfig slownet.Config, data []byte) (echo []byte, took time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	certificate := selfSigned(t)
	server := transport(t, serverConfig)
	listener, err := server.Listen(&tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"echo"}}, nil)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- serveOnce(ctx, listener) }()

	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	conn, err := transport(t, clientConfig).Dial(ctx, server.Conn.LocalAddr(), &tls.Config{RootCAs: roots, ServerName: "server", NextProtos: []string{"echo"}}, nil)
	require.NoError(t, err)
	stream, err := conn.OpenStreamSync(ctx)
	require.NoError(t, err)
	start := time.Now()
	wrote := make(chan error, 1)
	go func() {
		_, err := stream.Write(data)
		_ = stream.Close()
		wrote <- err
	}()
	first := make([]byte, 1)
	_, err = io.ReadFull(stream, first)
	require.NoError(t, err)
	took = time.Since(start)
	rest, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	require.NoError(t, conn.CloseWithError(0, ""))
	require.NoError(t, <-served)
	return append(first, rest...), took
}

// serveOnce sends back the data of one stream, and waits for the client to
// close.
func serveOnce(ctx context.Context, listener *quic.Listener) error {
	conn, err := listener.Accept(ctx)
	if err != nil {
		return err
	}
	stream, err := conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	if _, err = io.Copy(stream, stream); err != nil {
		return err
	}
	err = stream.Close()
	<-conn.Context().Done()
	return err
}

// transport returns quic-go over a slow socket on loopback.
func transport(t *testing.T, config slownet.Config) *quic.Transport {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	slow := slownet.NewPacketConn(socket, config)
	transport := &quic.Transport{Conn: slow}
	t.Cleanup(func() {
		assert.NoError(t, transport.Close())
		assert.NoError(t, slow.Close())
	})
	return transport
}

// selfSigned returns a server's certificate.
func selfSigned(t *testing.T) tls.Certificate {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}
