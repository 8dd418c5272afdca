package slownet

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A log contains the events of a trace, one per line.
type log struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func newLog() *log { return &log{start: time.Now()} }

func (l *log) trace(e trace.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("%v %v %v %d+%d", time.Unix(0, int64(e.At)).Sub(l.start), DirectionOf(e), e.Kind, e.Offset, e.Length)
	if e.Kind == trace.Delay {
		line += " " + e.Took.String()
	}
	if e.Note != "" {
		line += " " + e.Note
	}
	l.lines = append(l.lines, line)
}

// of returns the lines of a direction.
func (l *log) of(direction Direction) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, line := range l.lines {
		if strings.Contains(line, " "+direction.String()+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// The events of a trace contain the range of their bytes, and their time.
func TestTrace(t *testing.T) {
	overTCP, ideal := netem.TCP{}, netem.TCP{Congestion: netem.Unlimited}
	scenarios := []struct {
		name string
		link netem.Link
		tcp  netem.TCP
		want []string // for %s read or write
	}{
		{"zero", netem.Link{}, overTCP, []string{"0s %s send 0+2000", "0s %s data 0+2000"}},
		{"latency", netem.Link{Latency: ms}, overTCP, []string{"0s %s send 0+2000", "1ms %s data 0+2000"}},
		{"latency of an ideal stream", netem.Link{Latency: ms}, ideal, []string{"0s %s send 0+2000", "1ms %s data 0+2000"}},
		{"rate over TCP", netem.Link{Rate: netem.Mbps}, overTCP, []string{
			"0s %s send 0+2000", "12ms %s data 0+1448", "16.832ms %s data 1448+552"}},
		{"rate", netem.Link{Rate: netem.Mbps}, ideal, []string{
			"0s %s send 0+1500", "12ms %s data 0+1500", "12ms %s send 1500+500", "16ms %s data 1500+500"}},
		{"rate, read ahead", netem.Link{Rate: netem.Mbps}, ideal, []string{ // 2 ms before there is room
			"0s %s send 0+1500", "10ms %s send 1500+500", "12ms %s data 0+1500", "16ms %s data 1500+500"}},
		{"pace", netem.Link{Pace: netem.Pace{Bytes: 1000, Wait: ms}}, overTCP, []string{
			"0s %s send 0+1000", "0s %s data 0+1000", "1ms %s send 1000+1000", "1ms %s data 1000+1000"}},
	}
	for _, scenario := range scenarios {
		for _, direction := range []Direction{Read, Write} {
			if strings.HasPrefix(scenario.name, "rate") && scenario.tcp == ideal && (direction == Read) != strings.HasSuffix(scenario.name, "read ahead") {
				continue
			}
			t.Run(scenario.name+"/"+direction.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log := newLog()
					near, far := net.Pipe()
					config := bothWays(scenario.link)
					config.TCP = scenario.tcp
					config.Trace = log.trace
					conn := NewConn(near, config)
					from, to := net.Conn(conn), far
					if direction == Read {
						from, to = far, conn
					}
					go func() { _, _ = from.Write(make([]byte, 2000)) }()
					_, err := io.ReadFull(to, make([]byte, 2000))
					require.NoError(t, err)
					time.Sleep(time.Second)
					var want []string
					for _, line := range scenario.want {
						want = append(want, fmt.Sprintf(line, direction))
					}
					got := log.of(direction)
					if scenario.name == "rate" {
						// At 12 ms, one piece has passed and the next begins to.
						assert.ElementsMatch(t, want, got)
					} else {
						assert.Equal(t, want, got)
					}
					require.NoError(t, conn.Close())
					require.NoError(t, far.Close())
				})
			})
		}
	}
}

// A trace reports losses and delays of an ideal stream, and faults.
func TestTraceOfImpairments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		link := netem.Link{Loss: netem.Loss{Random: 0.3}, Latency: ms}
		near, far := net.Pipe()
		conn := NewConn(near, ideal(Config{Write: link, Seed: seedThatSends(link, Write, []int{2, 1}), Trace: log.trace}))
		read := readOnce(far)
		_, err := conn.Write(make([]byte, 100))
		require.NoError(t, err)
		<-read
		synctest.Wait()
		conn.Stall()
		conn.Resume()
		conn.SetLinks(netem.Link{}, netem.Link{})
		conn.CloseAfter(Write, 0)
		conn.Reset()
		assert.Equal(t, []string{
			"0s write send 0+100",
			"0s write drop 0+100 loss",
			"1s write delay 0+100 1s", // as soon as it is known
			"1.001s write data 0+100",
			"1.001s write fault 0+0 stall",
			"1.001s write fault 0+0 resume",
			"1.001s write fault 0+0 links changed",
			"1.001s write fault 0+0 closed after the given number of bytes",
			"1.001s write close 100+0",
			"1.001s write fault 0+0 reset",
			"1.001s write reset 0+0 connection reset by peer", // for reading
		}, log.of(Write))
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	})
}

// Over TCP a trace reports losses. The delay of a retransmission shows in the time of
// delivery.
func TestTraceOfALossOverTCP(t *testing.T) {
	log := newLog()
	link := netem.Link{Loss: everyOther, Latency: ms}
	overPipe(t, overTCP(Config{Write: link, Trace: log.trace}), func(t *testing.T, conn *Conn, far net.Conn) {
		log.start = time.Now()
		read := readOnce(far)
		_, err := conn.Write(make([]byte, 100))
		require.NoError(t, err)
		<-read
		synctest.Wait()
		require.Len(t, log.of(Write), 3)
		assert.Equal(t, []string{"0s write send 0+100", "0s write drop 0+100 loss"}, log.of(Write)[:2])
		assert.Contains(t, log.of(Write)[2], "write data 0+100")
	})
}

// Events report the travel times of bytes, and both ends have names even if their
// addresses are equal.
func TestTraceHasTravelTimesAndBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []trace.Event
		near, far := net.Pipe()
		conn := NewConn(near, Config{Write: netem.Link{Latency: 30 * ms}, Trace: func(e trace.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		}})
		go func() { _, _ = io.Copy(io.Discard, far) }()
		for range 3 {
			_, err := conn.Write([]byte("abc"))
			require.NoError(t, err)
			time.Sleep(10 * ms)
		}
		time.Sleep(time.Second)
		conn.Close()
		far.Close()
		mu.Lock()
		defer mu.Unlock()
		arrived := 0
		for _, e := range events {
			assert.Equal(t, trace.Conn{Host: "pipe", Network: "pipe", Number: e.Conn.Number}, e.Conn)
			assert.Equal(t, "pipe", e.From)
			assert.Equal(t, "pipe (peer)", e.To)
			if e.Kind == trace.Data {
				arrived++
				assert.Equal(t, 30*ms, e.Took)
			}
		}
		assert.Equal(t, 3, arrived)
	})
}

// A trace contains the bytes that have arrived, up to the configured number, and the
// beginning and end of connections.
func TestTraceOfConnectionsAndPayloads(t *testing.T) {
	for payloads, want := range map[int]string{0: "", 3: "abc", -1: "abcdef"} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var lines []string
			start := time.Now()
			near, far := net.Pipe()
			dialer := Dialer{
				Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				Config: Config{
					Write: netem.Link{Latency: 30 * ms}, Read: netem.Link{Latency: 10 * ms}, Payloads: payloads,
					Trace: func(e trace.Event) {
						mu.Lock()
						defer mu.Unlock()
						if e.Kind != trace.Send {
							at := time.Duration(e.At) - time.Duration(start.UnixNano())
							lines = append(lines, fmt.Sprint(at, " ", DirectionOf(e), " ", e.Kind, " ", e.Took, " ", e.Payload, e.Note))
						}
					},
				},
			}
			conn, err := dialer.DialContext(t.Context(), "pipe", "")
			require.NoError(t, err)
			go func() {
				_, _ = io.ReadFull(far, make([]byte, 6))
				_, _ = far.Write([]byte("uvwxyz"))
				_ = far.Close()
			}()
			_, err = conn.Write([]byte("abcdef"))
			require.NoError(t, err)
			_, err = io.ReadAll(conn)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			time.Sleep(time.Second)
			answer := strings.NewReplacer("a", "u", "b", "v", "c", "w", "d", "x", "e", "y", "f", "z").Replace(want)
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, []string{
				"40ms write connect 40ms ",
				"70ms write data 30ms " + want,
				"80ms read data 10ms " + answer,
				"80ms read close 0s ",
				"110ms write close 0s ",
			}, lines)
		})
	}
}

// A reset is reported once, where it is first noticed.
func TestTraceOfAReset(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var lines []string
	wrapped := NewListener(listener, Config{Read: netem.Link{Latency: ms}, Trace: func(e trace.Event) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, strings.TrimSpace(fmt.Sprint(DirectionOf(e), " ", e.Kind, " ", e.Note)))
	}})
	defer wrapped.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	conn, err := wrapped.Accept()
	require.NoError(t, err)
	require.NoError(t, dialed.(*net.TCPConn).SetLinger(0))
	require.NoError(t, dialed.Close())
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.NoError(t, conn.Close())
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{"read accept", "read reset " + syscall.ECONNRESET.Error()}, lines)
}

// A loss over TCP is reported for the bytes of the segment.
func TestTraceReportsTheBytesLostOverTCP(t *testing.T) {
	log := newLog()
	link := netem.Link{Loss: everyOther, Latency: ms}
	overPipe(t, overTCP(Config{Write: link, Trace: log.trace}), func(t *testing.T, conn *Conn, far net.Conn) {
		log.start = time.Now()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		_, err := conn.Write(make([]byte, 4*1448))
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, []string{"0s write send 0+5792", "0s write drop 0+1448 loss", "0s write drop 2896+1448 loss"}, log.of(Write))
	})
}
