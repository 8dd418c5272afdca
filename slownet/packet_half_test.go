package slownet

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPacketTrace(t *testing.T) {
	var mu sync.Mutex // guards got
	var got []string
	trace := func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprint(e.Time.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), " ", e.Direction, " ",
			e.Kind, " ", e.Offset, ": ", e.Bytes, " ", e.Local, " ", e.Remote, " ", e.Cause))
	}
	config := Config{Trace: trace, Write: netem.Link{Latency: 10 * ms, MTU: 5}, Read: netem.Link{Latency: 20 * ms}}
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
		"0s write queued 0: 3 near far ",
		"0s write queued 1: 9 near far ",
		"0s write lost 1: 9 near far larger than the MTU",
		"10ms write delivered 0: 3 near far ",
		"1s read queued 0: 2 near far ",
		"1.02s read delivered 0: 2 near far ",
		"1.02s write faulted 0: 0 near <nil> links changed",
		"1.02s write queued 2: 1 near far ",
		"1.02s write queued 3: 3 near far ",
		"1.02s write lost 3: 3 near far queue full",
		"1.02s write queued 4: 0 near far ",
		"2.02s write delivered 2: 1 near far ",
		"2.02s write delivered 4: 0 near far ",
		"3.02s write faulted 0: 0 near <nil> stall",
	}, got)
}

func TestPacketTraceOfJitter(t *testing.T) {
	var mu sync.Mutex // guards delays
	var delays []time.Duration
	config := Config{
		Trace: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == Delayed {
				delays = append(delays, e.Delay)
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

// A trace numbers the datagrams that are read, as those that are written.
func TestPacketTraceNumbersWhatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		near, far := memoryPair()
		c := NewPacketConn(near, Config{Read: netem.Link{Latency: ms}, Trace: log.trace})
		far.send(t, "a", "bc")
		receive(t, c, 2)
		require.NoError(t, c.Close())
		assert.Equal(t, []string{
			"0s read queued 0+1", "0s read queued 1+2",
			"1ms read delivered 0+1", "1ms read delivered 1+2",
		}, log.of(Read))
	})
}
