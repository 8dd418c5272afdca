package slownet

import (
	"bytes"
	"math/bits"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPacketLatencyOverlaps(t *testing.T) {
	link, names := netem.Link{Latency: 50 * ms}, numbered(100)
	packetBubble(t, Config{Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		start := time.Now()
		writeTo(t, c, names...)
		assert.Zero(t, time.Since(start), "WriteTo waits for nothing")
		time.Sleep(time.Second)
		assert.Equal(t, allAt(50*ms, names), far.got())
	})
	packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		go far.send(t, names...)
		assert.Equal(t, allAt(50*ms, names), receive(t, c, 100))
	})
	packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		var want []sent
		for i, name := range names {
			want = append(want, sent{name, 50*ms + time.Duration(i)*ms})
		}
		go func() {
			for _, name := range names {
				far.send(t, name)
				time.Sleep(ms)
			}
		}()
		assert.Equal(t, want, receive(t, c, 100), "the reader waits while others come in")
	})
}

func TestPacketRateAndQueueAreExact(t *testing.T) {
	large := string(make([]byte, 1000)) // takes 8 ms at 1 Mbit/s
	link := netem.Link{Rate: netem.Mbps, Latency: 5 * ms, Queue: netem.Queue{Bytes: 3000}}
	want := []sent{{large, 13 * ms}, {large, 21 * ms}, {large, 29 * ms}} // 3,000 bytes find room
	packetBubble(t, Config{Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, large, large, large, large, large)
		time.Sleep(time.Second)
		assert.Equal(t, want, far.got())
		writeTo(t, c, large)
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{large, time.Second + 13*ms}}, far.got(), "there is room again")
	})
	packetBubble(t, Config{Read: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, large, large, large, large, large)
		assert.Equal(t, want, receive(t, c, 3))
		far.send(t, "x") // 8 us
		assert.Equal(t, []sent{{"x", 29*ms + 8*time.Microsecond + 5*ms}}, receive(t, c, 1))
	})
}

func TestPacketBottleneckIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := string(make([]byte, 1000)) // takes 8 ms
		bottleneck := netem.NewBottleneck(netem.Mbps)
		near1, far1 := memoryPair()
		near2, far2 := memoryPair()
		c1 := NewPacketConn(near1, Config{Write: netem.Link{Bottleneck: bottleneck}})
		time.Sleep(ms)
		c2 := NewPacketConn(near2, Config{})
		c2.SetLinks(netem.Link{}, netem.Link{Bottleneck: bottleneck})
		writeTo(t, c1, large)
		writeTo(t, c2, large)
		require.NoError(t, shut(c1))
		require.NoError(t, shut(c2))
		assert.Equal(t, []sent{{large, 9 * ms}}, far1.got())
		assert.Equal(t, []sent{{large, 17 * ms}}, far2.got())
	})
}

func TestPacketPace(t *testing.T) {
	link := netem.Link{Pace: netem.Pace{Bytes: 10, Wait: 100 * ms}} // a wait for every 10 bytes
	packetBubble(t, Config{Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "1", "123456789abc", "3")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"1", 0}, {"123456789abc", 100 * ms}, {"3", 300 * ms}}, far.got())
	})
}

func TestPacketMTUAndEmptyDatagrams(t *testing.T) {
	for _, link := range []netem.Link{{MTU: 4}, {MTU: 4, Latency: ms}} {
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, "1234", "12345", "")
			time.Sleep(time.Second)
			assert.Equal(t, []sent{{"1234", link.Latency}, {"", link.Latency}}, far.got())
			far.send(t, "12345", "", "1234")
			at := time.Second + link.Latency
			assert.Equal(t, []sent{{"", at}, {"1234", at}}, receive(t, c, 2))
		})
	}
}

func TestPacketLossIsReproducible(t *testing.T) {
	run := func(seed uint64) (got []sent) {
		packetBubble(t, Config{Write: netem.Link{Loss: netem.Loss{Random: 0.1}}, Seed: seed}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, numbered(10_000)...)
			got = far.got()
		})
		return got
	}
	first := run(1)
	assert.InDelta(t, 9000, len(first), 100)
	assert.Equal(t, first, run(1), "the same seed")
	assert.NotEqual(t, first, run(2))
}

func TestPacketDuplicates(t *testing.T) {
	for _, latency := range []time.Duration{0, ms} {
		link := netem.Link{Latency: latency, Duplicate: netem.Chance{Probability: 1}}
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			writeTo(t, c, "a", "b")
			time.Sleep(time.Second)
			assert.Equal(t, allAt(latency, []string{"a", "a", "b", "b"}), far.got())
			far.send(t, "c")
			assert.Equal(t, allAt(time.Second+latency, []string{"c", "c"}), receive(t, c, 2))
		})
	}
}

func TestPacketCorruption(t *testing.T) {
	for _, latency := range []time.Duration{0, ms} {
		link := netem.Link{Latency: latency, Corrupt: netem.Chance{Probability: 1}}
		packetBubble(t, Config{Read: link, Write: link}, func(t *testing.T, c *PacketConn, far *memoryConn) {
			want := bytes.Repeat([]byte{0xa5}, 100)
			buffer := bytes.Clone(want)
			writeTo(t, c, "")
			_, err := c.WriteTo(buffer, far.name)
			require.NoError(t, err)
			time.Sleep(time.Second)
			got := far.got()
			require.Len(t, got, 2)
			assert.Empty(t, got[0].data, "there is no bit to change")
			assert.Equal(t, 1, differingBits(want, []byte(got[1].data)))
			assert.Equal(t, want, buffer, "the caller's own")

			far.send(t, string(want))
			assert.Equal(t, 1, differingBits(want, []byte(receive(t, c, 1)[0].data)))
		})
	}
}

func differingBits(a, b []byte) (n int) {
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n + 8*abs(len(a)-len(b))
}

func abs(n int) int { return max(n, -n) }

func TestPacketOvertaking(t *testing.T) {
	jitter := netem.Link{Latency: 50 * ms, Jitter: netem.Jitter{Deviation: 40 * ms}}
	check := func(t *testing.T, got []sent) {
		require.Len(t, got, 100)
		assert.ElementsMatch(t, numbered(100), names(got))
		assert.NotEqual(t, numbered(100), names(got))
		for i, d := range got {
			assert.GreaterOrEqual(t, d.at, 10*ms)
			assert.LessOrEqual(t, d.at, 90*ms)
			assert.True(t, i == 0 || got[i-1].at <= d.at)
		}
	}
	packetBubble(t, Config{Write: jitter}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, numbered(100)...)
		time.Sleep(time.Second)
		check(t, far.got())
	})
	packetBubble(t, Config{Read: jitter}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		far.send(t, numbered(100)...)
		check(t, receive(t, c, 100))
	})
	reorder := netem.Link{Latency: 50 * ms}
	packetBubble(t, Config{Write: reorder}, func(t *testing.T, c *PacketConn, far *memoryConn) {
		writeTo(t, c, "behind")
		reorder.Reorder.Probability = 1
		c.SetLinks(netem.Link{}, reorder)
		writeTo(t, c, "before")
		time.Sleep(time.Second)
		assert.Equal(t, []sent{{"before", 0}, {"behind", 50 * ms}}, far.got())
	})
}

func names(all []sent) (names []string) {
	for _, d := range all {
		names = append(names, d.data)
	}
	return names
}
