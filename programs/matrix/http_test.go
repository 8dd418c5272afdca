package matrix

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/slowpoetry/slowpoetry/programs/internal/certificate"
)

// echoHTTP answers a request with its body.
var echoHTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, _ = w.Write(body)
})

// A browser makes three requests at once.
type browser struct {
	client http.Client
	end    func()
	major  int // version of HTTP
}

func (b *browser) exchange(ctx context.Context, i int) error {
	return atOnce(func(n int) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://server/echo", bytes.NewReader(text(i, n)))
		if err != nil {
			return err
		}
		response, err := b.client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.ProtoMajor != b.major {
			return fmt.Errorf("it is %s", response.Proto)
		}
		back, err := io.ReadAll(response.Body)
		if err == nil && !bytes.Equal(back, text(i, n)) {
			err = errDiffers
		}
		return err
	})
}

func (b *browser) close() { b.end() }

// HTTP/2 over TLS, of net/http.
var http2Program = program{"HTTP/2 over TLS", "",
	"three concurrent requests of 20 kB, which the server echoes",
	served(
		func(ctx context.Context) error {
			settings, err := certificate.ForServer()
			if err != nil {
				return err
			}
			return serveHTTP(ctx, &http.Server{Addr: ":443", Handler: echoHTTP, TLSConfig: settings})
		},
		func(context.Context, string) (session, error) {
			settings, err := certificate.ForClient()
			transport := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
			return &browser{http.Client{Transport: transport}, transport.CloseIdleConnections, 2}, err
		},
	)}

// HTTP/3, of quic-go.
var http3Program = program{"http3", "github.com/quic-go/quic-go",
	"three concurrent requests of 20 kB, which the server echoes",
	served(
		func(ctx context.Context) error {
			settings, err := certificate.ForServer()
			if err != nil {
				return err
			}
			socket, err := listenQUIC(":443")
			if err != nil {
				return err
			}
			server := &http3.Server{Handler: echoHTTP, TLSConfig: settings}
			defer context.AfterFunc(ctx, func() { _ = server.Close() })()
			if err := server.Serve(socket); ctx.Err() == nil {
				return err
			}
			return socket.Close()
		},
		func(context.Context, string) (session, error) {
			settings, err := certificate.ForClient()
			if err != nil {
				return nil, err
			}
			socket, err := listenQUIC(":0")
			if err != nil {
				return nil, err
			}
			quicTransport := &quic.Transport{Conn: socket}
			transport := &http3.Transport{TLSClientConfig: settings, Dial: func(ctx context.Context, address string, settings *tls.Config, config *quic.Config) (*quic.Conn, error) {
				to, err := net.ResolveUDPAddr("udp", address)
				if err != nil {
					return nil, err
				}
				return quicTransport.DialEarly(ctx, to, settings, config)
			}}
			end := func() {
				_ = transport.Close()
				_ = quicTransport.Close()
				_ = socket.Close()
			}
			return &browser{http.Client{Transport: transport}, end, 3}, nil
		},
	)}
