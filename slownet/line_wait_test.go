package slownet

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// Datagrams that wait in a queue with a discipline arrive as the rate permits, or
// are dropped by CoDel: after the queueing delay has been above 5 ms for 100 ms.
func TestDatagramsWaitInAQueueWithCoDel(t *testing.T) {
	for _, discipline := range []netem.Discipline{netem.CoDel, netem.FQCoDel} {
		synctest.Test(t, func(t *testing.T) {
			near, far := memoryPair()
			log := newLog()
			link := netem.Link{Rate: 1200 * netem.Kbps, Queue: netem.Queue{Packets: 100, Discipline: discipline}}
			c := NewPacketConn(near, Config{Write: link, Trace: log.trace})
			for range 50 { // 10 ms each
				_, err := c.WriteTo(make([]byte, 1472), far.name)
				require.NoError(t, err)
			}
			require.NoError(t, c.Drain(t.Context()))
			lost := 0
			for _, line := range log.of(Write) {
				if strings.Contains(line, " drop ") {
					lost++
				}
			}
			assert.Positive(t, lost, discipline)
			assert.Len(t, far.got(), 50-lost, discipline)
			assert.Less(t, time.Since(bubbleStart), 500*ms)
			_, err := c.WriteTo([]byte("last"), far.name)
			require.NoError(t, err)
			require.NoError(t, c.Close())
			require.NoError(t, c.Drain(t.Context()))
			assert.Equal(t, "last", string(far.got()[0].data))
		})
	}
}

// The same holds for received datagrams.
func TestReceivedDatagramsWaitInAQueueWithFQCoDel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memoryPair()
		c := NewPacketConn(near, Config{Read: netem.Link{Rate: 8 * netem.Kbps, Queue: netem.Queue{Discipline: netem.FQCoDel}}})
		for range 2 {
			_, err := far.WriteTo(make([]byte, 100), near.name)
			require.NoError(t, err)
		}
		for i := range 2 {
			n, _, err := c.ReadFrom(make([]byte, 1500))
			require.NoError(t, err)
			assert.Equal(t, 100, n)
			assert.Equal(t, time.Duration(i+1)*100*ms, time.Since(bubbleStart))
		}
		require.NoError(t, c.Close())
	})
}

// A download over TCP keeps the queue of a line with FQ-CoDel short, so a datagram
// next to it is fast. With drop-tail it waits for the whole queue.
func TestADatagramBesideADownload(t *testing.T) {
	var took [2]time.Duration
	for i, discipline := range []netem.Discipline{netem.FIFO, netem.FQCoDel} {
		synctest.Test(t, func(t *testing.T) {
			link := netem.Link{Latency: 10 * ms, Rate: 10 * netem.Mbps, Queue: netem.Queue{Packets: 400, Discipline: discipline}}
			path := NewPath(Config{Write: link, Read: netem.Link{Latency: 10 * ms}})
			near, far := net.Pipe()
			bulk := path.Conn(near)
			go func() { _, _ = bulk.Write(make([]byte, 8<<20)) }()
			go func() { _, _ = io.Copy(io.Discard, far) }()
			time.Sleep(3 * time.Second)
			pinger, peer := memoryPair()
			ping := path.PacketConn(pinger)
			start := time.Now()
			_, err := ping.WriteTo([]byte("ping"), peer.name)
			require.NoError(t, err)
			_, _, err = peer.ReadFrom(make([]byte, 10))
			require.NoError(t, err)
			took[i] = time.Since(start)
			require.NoError(t, ping.Close())
			require.NoError(t, bulk.SetLinger(0))
			require.NoError(t, bulk.Close())
			require.NoError(t, far.Close())
			time.Sleep(time.Minute)
		})
	}
	t.Log(took)
	assert.Greater(t, took[0], 50*ms, "after the whole queue")
	assert.Less(t, took[1], 20*ms, "ahead of the queue")
}
