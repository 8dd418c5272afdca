package slownet

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// io.Copy moves all bytes in order, whatever is wrapped and whatever the links,
// and also to and from values that are not connections.
func TestCopy(t *testing.T) {
	const size = 3<<20 + 17
	data := text(0, size)
	for name, link := range map[string]netem.Link{"zero": {}, "latency": {Latency: ms}, "queue": {Rate: netem.Gbps, Queue: netem.Queue{Bytes: 1 << 20}}} {
		for _, wrapped := range []string{"source", "destination", "both"} {
			t.Run(name+"/"+wrapped, func(t *testing.T) {
				first, source := rawTCPPair(t)
				destination, last := rawTCPPair(t)
				if wrapped != "destination" {
					source = NewConn(source, bothWays(link))
				}
				if wrapped != "source" {
					destination = NewConn(destination, bothWays(link))
				}
				go func() {
					_, _ = first.Write(data)
					_ = first.Close()
				}()
				copied := make(chan int64, 1)
				go func() {
					n, err := io.Copy(destination, source)
					assert.NoError(t, err)
					_ = source.Close()
					_ = destination.Close()
					copied <- n
				}()
				got, err := io.ReadAll(last)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(data, got))
				assert.Equal(t, int64(size), <-copied)
				require.NoError(t, last.Close())
			})
		}
		t.Run(name+"/file", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "poem")
			require.NoError(t, os.WriteFile(file, data, 0o600))
			source, err := os.Open(file)
			require.NoError(t, err)
			defer source.Close()
			destination, last := rawTCPPair(t)
			conn := NewConn(destination, bothWays(link))
			go func() {
				n, err := io.Copy(conn, source)
				assert.NoError(t, err)
				assert.Equal(t, int64(size), n)
				assert.NoError(t, conn.Close())
			}()
			got, err := io.ReadAll(last)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(data, got))
			require.NoError(t, last.Close())
		})
	}
}

// Faults and deadlines take effect while a connection is being copied from or to.
func TestFaultsWhileCopying(t *testing.T) {
	first, source := rawTCPPair(t)
	destination, last := rawTCPPair(t)
	from, to := NewConn(source, Config{}), NewConn(destination, Config{})
	failed := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, from)
		failed <- err
	}()
	exchange := func(word string) {
		_, err := first.Write([]byte(word))
		require.NoError(t, err)
		got := make([]byte, len(word))
		_, err = io.ReadFull(last, got)
		require.NoError(t, err)
		assert.Equal(t, word, string(got))
	}
	exchange("direct")
	from.SetLinks(netem.Link{Latency: ms}, netem.Link{})
	to.SetLinks(netem.Link{}, netem.Link{Latency: ms})
	exchange("shaped")
	start := time.Now()
	from.SetLinks(netem.Link{Latency: 50 * ms}, netem.Link{})
	exchange("slow")
	exchange("slow")
	assert.GreaterOrEqual(t, time.Since(start), 50*ms)
	require.NoError(t, from.SetReadDeadline(time.Now().Add(10*ms)))
	assert.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
	for _, c := range []net.Conn{first, from, to, last} {
		require.NoError(t, c.Close())
	}
}

// rawTCPPair returns the two ends of a loopback connection.
func rawTCPPair(t testing.TB) (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	return dialled, accepted
}
