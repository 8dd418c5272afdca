package slownet

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPacketTrace(t *testing.T) {
	var mu sync.Mutex // guards got
	var got []string
	told := func(e trace.Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprint(time.Unix(0, int64(e.At)).Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), " ", DirectionOf(e), " ",
			e.Kind, " ", e.Offset, ": ", e.Length, " ", e.From, ">", e.To, " ", e.Took, " ", e.Note))
	}
	config := Config{Trace: told, Write: netem.Link{Latency: 10 * ms, MTU: 5}, Read: netem.Link{Latency: 20 * ms}}
	packetBubble(t, config, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "abc", "too large")
		time.Sleep(time.Second)
		far.send(t, "de")
		receive(t, c, 1)
		c.SetLinks(netem.Link{}, netem.Link{Rate: 8 * netem.BitPerSecond, Queue: netem.Queue{Bytes: 3}})
		writeTo(t, c, "f", "ghi", "")
		time.Sleep(2 * time.Second)
		c.Stall()
	})
	assert.Equal(t, []string{
		"0s write send 0: 3 near>far 0s ",
		"0s write send 1: 9 near>far 0s ",
		"0s write drop 1: 9 near>far 0s larger than the MTU",
		"10ms write data 0: 3 near>far 10ms ",
		"1s read send 0: 2 far>near 0s ",
		"1.02s read data 0: 2 far>near 20ms ",
		"1.02s write fault 0: 0 near> 0s links changed",
		"1.02s write send 2: 1 near>far 0s ",
		"1.02s write send 3: 3 near>far 0s ",
		"1.02s write drop 3: 3 near>far 0s queue full",
		"1.02s write send 4: 0 near>far 0s ",
		"2.02s write data 2: 1 near>far 1s ",
		"2.02s write data 4: 0 near>far 1s ",
		"3.02s write fault 0: 0 near> 0s stall",
	}, got)
}

func TestPacketTraceOfJitter(t *testing.T) {
	var mu sync.Mutex // guards delays
	var delays []time.Duration
	config := Config{
		Trace: func(e trace.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == trace.Delay {
				delays = append(delays, e.Took)
			}
		},
		Write: netem.Link{Latency: 50 * ms, Jitter: netem.Jitter{Deviation: 10 * ms}},
	}
	packetBubble(t, config, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, numbered(100)...)
		time.Sleep(time.Second)
		late := 0
		for _, d := range far.got() {
			if d.at > 50*ms {
				late++
				assert.Contains(t, delays, d.at-50*ms)
			}
		}
		assert.Len(t, delays, late)
	})
}

// A trace numbers received datagrams, like written datagrams.
func TestPacketTraceNumbersReceivedDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		near, far := memoryPair()
		c := NewPacketConn(near, Config{Read: netem.Link{Latency: ms}, Trace: log.trace})
		far.send(t, "a", "bc")
		receive(t, c, 2)
		require.NoError(t, c.Close())
		assert.Equal(t, []string{
			"0s read send 0+1", "0s read send 1+2",
			"1ms read data 0+1", "1ms read data 1+2",
		}, log.of(Read))
	})
}
