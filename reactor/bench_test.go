package reactor_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/reactor"
)

// BenchmarkPiece measures the cost of receiving ten bytes on one of many
// loopback connections: the loop waits, finds the connection, and reads.
func BenchmarkPiece(b *testing.B) {
	for _, conns := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			b.ReportAllocs()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(b, err)
			var loop reactor.Reactor
			peers, open := make([]net.Conn, conns), make([]*reactor.Conn, conns)
			buffer, piece, sent := make([]byte, 64), []byte("ten bytes."), 0
			send := func() {
				if sent++; sent > b.N {
					for _, c := range open {
						_ = c.Close()
					}
					return
				}
				if _, err := peers[sent%conns].Write(piece); err != nil {
					b.Error(err)
				}
			}
			readable := reactor.HandlerFunc(func(c *reactor.Conn) {
				switch _, err := c.Read(buffer); {
				case err == nil:
					send()
				case !errors.Is(err, reactor.ErrWouldBlock):
					b.Error(err)
				}
			})
			for i := range conns {
				near, err := net.Dial("tcp", listener.Addr().String())
				require.NoError(b, err)
				peers[i], err = listener.Accept()
				require.NoError(b, err)
				open[i] = loop.Add(near, readable)
			}
			b.ResetTimer()
			loop.Call(send)
			require.NoError(b, loop.Run())
			b.StopTimer()
			for _, peer := range peers {
				_ = peer.Close()
			}
			require.NoError(b, listener.Close())
		})
	}
}
