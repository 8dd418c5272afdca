package slownet

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// serving returns a dial function whose peers send the given number of bytes.
func serving(bytes int) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { _, _ = far.Write(make([]byte, bytes)) }()
		return near, nil
	}
}

// A oneListener accepts one connection.
type oneListener struct {
	net.Listener
	conn net.Conn
}

func (l *oneListener) Accept() (net.Conn, error) { return l.conn, nil }
func (l *oneListener) Close() error              { return nil }

// downloads makes connections with a dialer, receives bytes on all of them at once, and
// returns the time until the last one has received all of its bytes.
func downloads(t *testing.T, dialer *Dialer, connections, bytes int) time.Duration {
	dialer.Dial = serving(bytes)
	start := time.Now()
	var all sync.WaitGroup
	var open []net.Conn
	for range connections {
		conn, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
		require.NoError(t, err)
		open = append(open, conn)
	}
	for _, conn := range open {
		all.Go(func() {
			_, err := io.ReadFull(conn, make([]byte, bytes))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	took := time.Since(start)
	for _, conn := range open {
		require.NoError(t, conn.Close())
	}
	return took
}

// Four downloads over 12 Mbit/s take four times as long as one; with PerConn they
// take as long as one. One download is 100 packets of a millisecond each; over TCP,
// there are 52 bytes of headers for each 1,448 bytes.
func TestDownloadsShareTheLink(t *testing.T) {
	const bytes = 100 * 1500
	config := Config{Read: netem.Link{Rate: 12 * netem.Mbps}}
	for _, c := range []struct {
		perConn     bool
		connections int
		want        time.Duration
	}{
		{false, 1, 100 * ms},
		{false, 4, 400 * ms},
		{true, 1, 100 * ms},
		{true, 4, 100 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			config.PerConn = c.perConn
			assert.Equal(t, c.want, downloads(t, &Dialer{Config: ideal(config)}, c.connections, bytes), c)
			overTCP := c.want * (bytes + 104*netem.HeaderSize) / bytes
			assert.InDelta(t, overTCP, downloads(t, &Dialer{Config: config}, c.connections, bytes), float64(c.want/50), c)
		})
	}
}

// Pace applies to each connection separately: the wait of one does not delay
// another.
func TestPaceIsEachConnectionsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialer := &Dialer{Config: Config{Read: netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}}}}
		assert.Equal(t, 900*ms, downloads(t, dialer, 1, 100))
		assert.Equal(t, 900*ms, downloads(t, dialer, 3, 100))
	})
}

// A dialer in a package variable may be used in several bubbles of simulated time
// one after another, though each begins in the year 2000, and after a change of its
// configuration.
func TestADialersLinksBeginAnew(t *testing.T) {
	dialer := &Dialer{Config: ideal(Config{Read: netem.Link{Rate: 12 * netem.Mbps}})}
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			assert.Equal(t, 200*ms, downloads(t, dialer, 2, 100*1500))
		})
	}
	synctest.Test(t, func(t *testing.T) {
		dialer.Dial = serving(1)
		conn, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80") // stays open
		require.NoError(t, err)
		defer conn.Close()
		dialer.Config.Read.Rate = 120 * netem.Mbps
		assert.Equal(t, 20*ms, downloads(t, dialer, 2, 100*1500))
	})
}

// Everything made with a path shares it: dialled and accepted connections, wrapped
// ones, and sockets.
func TestEverythingMadeWithAPathSharesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := NewPath(ideal(Config{Write: netem.Link{Rate: 12 * netem.Mbps}}))
		dialer := path.Dialer()
		dialer.Dial = func(context.Context, string, string) (net.Conn, error) { return newSink(), nil }
		dialled, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
		require.NoError(t, err)
		listener := path.Listener(&oneListener{conn: newSink()})
		accepted, err := listener.Accept()
		require.NoError(t, err)
		conn := path.Conn(newSink())
		near, far := memoryPair()
		packets := path.PacketConn(near)

		start := time.Now()
		for range 10 {
			for _, c := range []net.Conn{dialled, accepted, conn} {
				_, err := c.Write(make([]byte, 1500))
				require.NoError(t, err)
			}
			_, err := packets.WriteTo(make([]byte, 1500), far.name)
			require.NoError(t, err)
		}
		require.NoError(t, conn.Drain(t.Context()))
		require.NoError(t, packets.Drain(t.Context()))
		assert.Equal(t, 40*ms, time.Since(start))
		for _, c := range []io.Closer{dialled, accepted, conn, packets, listener} {
			assert.NoError(t, c.Close())
		}
	})
}

// SetLinks of a path, and of its listener, changes the links of all connections. A
// connection's own SetLinks gives it links of its own, which it keeps.
func TestSetLinksOfAPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := NewPath(ideal(Config{}))
		listener := path.Listener(&oneListener{})
		one, other := path.Conn(newSink()), path.Conn(newSink())
		send := func(c *Conn) time.Duration {
			start := time.Now()
			_, err := c.Write(make([]byte, 1500))
			require.NoError(t, err)
			require.NoError(t, c.Drain(t.Context()))
			return time.Since(start)
		}
		path.SetLinks(netem.Link{}, netem.Link{Rate: 12 * netem.Mbps})
		assert.Equal(t, [2]time.Duration{ms, ms}, [2]time.Duration{send(one), send(other)})
		path.SetProfile(netem.Symmetric(netem.Link{Latency: 5 * ms}))
		assert.Equal(t, [2]time.Duration{5 * ms, 5 * ms}, [2]time.Duration{send(one), send(other)})
		one.SetLinks(netem.Link{}, netem.Link{Latency: 7 * ms})
		listener.SetLinks(netem.Link{}, netem.Link{Latency: 9 * ms})
		assert.Equal(t, [2]time.Duration{7 * ms, 9 * ms}, [2]time.Duration{send(one), send(other)})
		later := path.Conn(newSink())
		assert.Equal(t, 9*ms, send(later), "made after that")
		assert.PanicsWithValue(t, "slownet: Path.SetLinks: read: Rate is -1bit/s: it must be 0 (no limit) or more", func() { path.SetLinks(netem.Link{Rate: -1}, netem.Link{}) })
		for _, c := range []io.Closer{one, other, later, listener} {
			assert.NoError(t, c.Close())
		}
		time.Sleep(time.Second)
		assert.Empty(t, path.group.all(), "closed connections are forgotten")
	})
}

// Connections that share links may be used and changed by many goroutines.
func TestASharedPathUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := netem.Link{Rate: 100 * netem.Mbps, Jitter: netem.Jitter{Deviation: ms}, Latency: 2 * ms}
		path := NewPath(Config{Write: link, Read: link})
		var all sync.WaitGroup
		for range 8 {
			near, far := net.Pipe()
			c := path.Conn(near)
			all.Go(func() {
				for range 100 {
					_, err := c.Write(make([]byte, 3000))
					assert.NoError(t, err)
				}
				assert.NoError(t, c.Close())
			})
			all.Go(func() {
				n, err := io.Copy(io.Discard, far)
				assert.NoError(t, err)
				assert.EqualValues(t, 100*3000, n)
			})
		}
		for i := range 20 {
			time.Sleep(ms)
			link.Latency = time.Duration(i%3) * ms
			path.SetLinks(link, link)
		}
		all.Wait()
	})
}
