package wireshark

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/capture"
)

// A traceFile is the trace of real connections, in a file.
type traceFile struct {
	name   string
	mu     sync.Mutex
	writer *trace.Writer
}

func newTraceFile(t *testing.T) *traceFile {
	t.Helper()
	f := &traceFile{name: filepath.Join(t.TempDir(), "trace.gz")}
	var err error
	f.writer, err = trace.Create(f.name, trace.Header{Source: "slownet", Test: t.Name()})
	require.NoError(t, err)
	return f
}

func (f *traceFile) add(e trace.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.writer.Write(&e) // Close returns the error
}

// capture closes the file, and makes a capture of it, twice.
func (f *traceFile) capture(t *testing.T) capturedFile {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.NoError(t, f.writer.Close())
	var captures [2]bytes.Buffer
	for i := range captures {
		r, err := trace.Open(f.name)
		require.NoError(t, err)
		require.NoError(t, capture.WriteTrace(&captures[i], r, capture.Options{}))
		require.NoError(t, r.Close())
	}
	assert.True(t, bytes.Equal(captures[0].Bytes(), captures[1].Bytes()), "the same capture twice")
	file := capturedFile{filepath.Join(t.TempDir(), "wrapped.pcapng")}
	require.NoError(t, os.WriteFile(file.name, captures[0].Bytes(), 0o666))
	return file
}

// The capture of real connections over loopback, wrapped at either end, contains the
// streams.
func TestWrappedConnections(t *testing.T) {
	slow := netem.Link{Latency: 5 * time.Millisecond, Rate: 100 * netem.Mbps}
	lossy := slow
	lossy.Loss.Random = 0.02
	for name, config := range map[string]slownet.Config{
		"unlimited": {},
		"slow":      {Read: slow, Write: slow},
		"lossy":     {Read: lossy, Write: lossy, Seed: 1},
		"ideal":     {Read: lossy, Write: lossy, Seed: 1, TCP: netem.TCP{Congestion: netem.Unlimited}},
	} {
		for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
			for _, end := range []string{"dialer", "listener"} {
				t.Run(name+"/"+address+"/"+end, func(t *testing.T) {
					f, config := newTraceFile(t), config
					config.Trace, config.Payloads = f.add, -1
					l, err := net.Listen("tcp", address)
					require.NoError(t, err)
					dialer := slownet.Dialer{}
					if end == "dialer" {
						dialer.Config = config
					} else {
						l = slownet.NewListener(l, config)
					}
					defer l.Close()
					var served sync.WaitGroup
					served.Go(func() {
						for range 2 {
							conn, err := l.Accept()
							if !assert.NoError(t, err) {
								return
							}
							question := make([]byte, 9)
							_, _ = io.ReadFull(conn, question)
							_, _ = conn.Write(append(question, body...))
							_ = conn.Close()
							if wrapped, ok := conn.(*slownet.Conn); ok {
								assert.NoError(t, wrapped.Drain(t.Context()))
							}
						}
					})
					for range 2 {
						conn, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
						require.NoError(t, err)
						_, err = conn.Write([]byte("question:"))
						require.NoError(t, err)
						got, err := io.ReadAll(conn)
						require.NoError(t, err)
						require.True(t, bytes.Equal(append([]byte("question:"), body...), got))
						require.NoError(t, conn.Close())
						if wrapped, ok := conn.(*slownet.Conn); ok {
							require.NoError(t, wrapped.Drain(t.Context()))
						}
					}
					served.Wait()

					c := f.capture(t)
					assert.Empty(t, c.matching(t, "("+wrong+") && !(frame.comment contains lost)"))
					port := l.Addr().(*net.TCPAddr).AddrPort().Port()
					syns := c.fields(t, "tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.dstport")
					require.Len(t, syns, 2)
					for _, to := range syns {
						assert.Equal(t, port, portNumber(t, to), "the dialer begins")
					}
					for _, stream := range []string{"0", "1"} {
						first, second := c.follow(t, stream)
						assert.Equal(t, "question:", string(first))
						assert.True(t, bytes.Equal(append([]byte("question:"), body...), second))
					}
					assert.NotEmpty(t, c.matching(t, "tcp.flags.fin == 1"))
				})
			}
		}
	}
}

func portNumber(t *testing.T, text string) uint16 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 16)
	require.NoError(t, err)
	return uint16(n)
}

// A capture contains the datagrams of real sockets, lost ones with a comment.
func TestWrappedDatagrams(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			f := newTraceFile(t)
			inner, err := net.ListenPacket("udp", address)
			require.NoError(t, err)
			link := netem.Link{Latency: time.Millisecond, Loss: netem.Loss{Random: 0.3}}
			conn := slownet.NewPacketConn(inner, slownet.Config{Write: link, Seed: 1, Trace: f.add, Payloads: -1})
			peer, err := net.ListenPacket("udp", address)
			require.NoError(t, err)
			defer peer.Close()
			for i := range 20 {
				_, err = conn.WriteTo([]byte{'a' + byte(i)}, peer.LocalAddr())
				require.NoError(t, err)
			}
			require.NoError(t, conn.Close())
			require.NoError(t, conn.Drain(t.Context()))
			c := f.capture(t)
			assert.Empty(t, c.matching(t, wrong))
			assert.Len(t, c.fields(t, "udp", "data.data"), 20)
			lost := c.fields(t, "frame.comment contains loss", "data.data")
			assert.NotEmpty(t, lost)
			assert.Less(t, len(lost), 15)
		})
	}
}
