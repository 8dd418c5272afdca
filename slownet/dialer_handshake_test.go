package slownet

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dialOnce dials once in a bubble, and returns the dial's duration and error.
func dialOnce(t *testing.T, config Config, timeout time.Duration) (took time.Duration, err error) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		dialer := &Dialer{Config: config, Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		var conn net.Conn
		conn, err = dialer.DialContext(ctx, "tcp", "192.0.2.1:80")
		took = time.Since(bubbleStart)
		if err != nil {
			_, innerErr := far.Read(make([]byte, 1))
			assert.Equal(t, io.EOF, innerErr, "the inner connection is closed")
			assert.Empty(t, dialer.group.all(), "the connection is forgotten")
			return
		}
		go func() {
			_, err := conn.Write([]byte("hello"))
			assert.NoError(t, err)
			assert.NoError(t, conn.Close())
		}()
		got, readErr := io.ReadAll(far)
		require.NoError(t, readErr)
		assert.Equal(t, "hello", string(got))
	})
	return took, err
}

// A dial takes as long as its SYN and SYN-ACK take over the links: 40 ms of
// latency, 416 bits each way at the rate, and a second for a lost one.
func TestDialCrossesTheLinks(t *testing.T) {
	slow := netem.Link{Latency: 20 * ms}
	rate := netem.Link{Latency: 20 * ms, Rate: netem.Mbps}
	lossy := everyOther
	for name, test := range map[string]struct {
		write, read netem.Link
		congestion  netem.Congestion
		want        time.Duration
	}{
		"latency":             {slow, slow, netem.CUBIC, 40 * ms},
		"one way":             {slow, netem.Link{}, netem.CUBIC, 20 * ms},
		"a rate":              {rate, rate, netem.CUBIC, 40*ms + 2*416*us},
		"Reno":                {rate, rate, netem.Reno, 40*ms + 2*416*us},
		"the SYN is lost":     {netem.Link{Latency: 20 * ms, Loss: lossy}, slow, netem.CUBIC, time.Second + 40*ms},
		"the SYN-ACK is lost": {slow, netem.Link{Latency: 20 * ms, Loss: lossy}, netem.CUBIC, time.Second + 40*ms},
		"an ideal stream":     {rate, netem.Link{Latency: 20 * ms, Loss: lossy}, netem.Unlimited, 40 * ms},
		"nothing":             {netem.Link{}, netem.Link{}, netem.CUBIC, 0},
		"CoDel":               {disciplined(rate, netem.CoDel), disciplined(rate, netem.FQCoDel), netem.CUBIC, 40*ms + 2*416*us},
		"a pace":              {netem.Link{Pace: netem.Pace{Bytes: 5, Wait: time.Second}}, netem.Link{}, netem.CUBIC, 0},
	} {
		t.Run(name, func(t *testing.T) {
			config := Config{Write: test.write, Read: test.read, TCP: netem.TCP{Congestion: test.congestion}}
			took, err := dialOnce(t, config, time.Minute)
			require.NoError(t, err)
			assert.Equal(t, test.want, took)
		})
	}
}

// disciplined returns the link with another discipline of its queue.
func disciplined(link netem.Link, discipline netem.Discipline) netem.Link {
	link.Queue.Discipline = discipline
	return link
}

// A dial over a path that loses everything gives up when Linux does, or with its context.
func TestDialGivesUp(t *testing.T) {
	slow, dead := netem.Link{Latency: 20 * ms}, netem.Link{Latency: 20 * ms, Loss: netem.Loss{Random: 1}}
	for name, config := range map[string]Config{
		"there":      {Write: dead, Read: slow},
		"back":       {Write: slow, Read: dead},
		"both":       bothWays(dead),
		"CoDel":      bothWays(disciplined(dead, netem.CoDel)),
		"a long way": bothWays(netem.Link{Latency: time.Hour}),
		"PerConn":    {Write: dead, Read: slow, PerConn: true},
	} {
		t.Run(name, func(t *testing.T) {
			took, err := dialOnce(t, config, time.Hour)
			require.ErrorIs(t, err, syscall.ETIMEDOUT)
			assert.Equal(t, 131*time.Second, took)
			assert.EqualError(t, err, "dial tcp pipe->pipe: connect: connection timed out")
			assert.True(t, err.(net.Error).Timeout())

			took, err = dialOnce(t, config, 5*time.Second)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, 5*time.Second, took)
			assert.True(t, err.(net.Error).Timeout())
		})
	}
}

// A peer that has given up the handshake, as it received nothing after its SYN-ACK,
// resets the connection when a segment arrives later.
func TestHandshakeGivenUpByThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		write := netem.Link{Latency: 20 * ms, Loss: netem.Loss{Random: 0.95}}
		dialer := &Dialer{
			Config: Config{Seed: 104, Write: write, Read: netem.Link{Latency: 20 * ms}},
			Dial:   func(context.Context, string, string) (net.Conn, error) { return near, nil },
		}
		conn, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
		require.NoError(t, err)
		_, err = conn.Write([]byte("x"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// Dials over a lossy path repeat with the same seed, and differ with another. They
// take a round trip, or longer by the times of Linux's SYN retransmissions.
func TestDialSeeds(t *testing.T) {
	dials := func(seed uint64) (took []time.Duration) {
		link := netem.Link{Latency: 20 * ms, Loss: netem.Loss{Random: 0.3}}
		dialer := &Dialer{Config: Config{Write: link, Read: link, Seed: seed}}
		synctest.Test(t, func(t *testing.T) {
			dialer.Dial = func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				return near, far.Close()
			}
			for range 50 {
				start := time.Now()
				conn, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
				require.NoError(t, err)
				took = append(took, time.Since(start))
				defer conn.Close()
			}
		})
		return took
	}
	one := dials(1)
	assert.Equal(t, one, dials(1))
	assert.NotEqual(t, one, dials(2))
	counts := map[time.Duration]int{}
	for _, d := range one {
		counts[d-40*ms]++
	}
	assert.InDelta(t, 50*0.49, counts[0], 10, "a dial loses nothing with a probability of 0.7 x 0.7")
	for d := range counts {
		assert.Zero(t, d%time.Second, "%v: a SYN or SYN-ACK is retransmitted by a timer", d)
	}
}

// The handshake's round trip is TCP's first RTT sample: a lost first segment is
// retransmitted after three round trips, and not after one second.
func TestHandshakeMeasuresTheRoundTrip(t *testing.T) {
	link := netem.Link{Latency: 200 * ms}
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		dialer := &Dialer{Config: bothWays(link), Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		dialled, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
		require.NoError(t, err)
		conn := dialled.(*Conn)
		assert.Equal(t, 400*ms, conn.roundTrip)
		for i, half := range []*streamHalf{&conn.out.streamHalf, &conn.in.streamHalf} {
			half.mu.Lock()
			require.True(t, half.startTCPLocked())
			assert.Equal(t, 400*ms, half.tcp.RoundTrip(), i)
			half.mu.Unlock()
		}
		require.NoError(t, far.Close())
		require.NoError(t, conn.Close())
	})
}

// The links may change while a connection is dialled.
func TestSetLinksDuringADial(t *testing.T) {
	for name, link := range map[string]netem.Link{"none": {}, "slower": {Latency: time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := NewPath(bothWays(netem.Link{Latency: 100 * ms}))
				dialer := path.Dialer()
				near, far := net.Pipe()
				dialer.Dial = func(context.Context, string, string) (net.Conn, error) { return near, nil }
				time.AfterFunc(50*ms, func() { path.SetLinks(link, link) })
				conn, err := dialer.DialContext(t.Context(), "tcp", "192.0.2.1:80")
				require.NoError(t, err)
				assert.Equal(t, 100*ms+link.Latency, time.Since(bubbleStart))
				go func() { _, _ = io.Copy(far, far) }()
				for range 3 {
					_, err := conn.Write([]byte("ping"))
					require.NoError(t, err)
					_, err = io.ReadFull(conn, make([]byte, 4))
					require.NoError(t, err)
				}
				require.NoError(t, conn.Close())
				require.NoError(t, far.Close())
			})
		})
	}
}
