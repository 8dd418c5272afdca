package slownet

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A log is what a trace told, a line an event.
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

// of returns the lines about a direction.
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

// A trace tells what happens to which bytes when.
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

// A trace tells of what an ideal stream has lost and delayed, and of faults.
func TestTraceOfMisfortunes(t *testing.T) {
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
			"1s write delay 0+100 1s", // when it is known
			"1.001s write data 0+100",
			"1.001s write fault 0+0 stall",
			"1.001s write fault 0+0 resume",
			"1.001s write fault 0+0 links changed",
			"1.001s write fault 0+0 closed after the given number of bytes",
			"1.001s write fault 0+0 reset",
		}, log.of(Write))
		require.NoError(t, conn.Close())
		require.NoError(t, far.Close())
	})
}

// Over TCP a trace tells of what was lost. That a retransmission is late is seen from
// when it is delivered.
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

// Bytes tell how long they were under way, and both ends have names, even if their
// addresses are the same.
func TestTraceTellsHowLongBytesTookAndBetweenWhom(t *testing.T) {
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
