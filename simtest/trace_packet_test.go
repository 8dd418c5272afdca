package simtest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// packetsOf runs a simulation of an echo server over TCP and UDP, and returns its
// events, with packets or without, its digest and its duration.
func packetsOf(t *testing.T, packets bool, config simtest.Config, size int) (events []trace.Event, digest string, took time.Duration) {
	t.Helper()
	config.Packets, config.Trace = packets, func(e trace.Event) { events = append(events, e) }
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := sim.Host("a"), sim.Host("b")
		listener, err := b.Listen("tcp", ":7")
		require.NoError(t, err)
		b.Go(func(context.Context) {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}
		})
		socket, err := b.ListenPacket("udp", ":7")
		require.NoError(t, err)
		b.Go(func(context.Context) {
			buffer := make([]byte, 100)
			for {
				n, from, err := socket.ReadFrom(buffer)
				if err != nil {
					return
				}
				_, _ = socket.WriteTo(buffer[:n], from)
			}
		})
		text := numbers(size)
		c, err := a.Dial("tcp", "b:7")
		require.NoError(t, err)
		go func() {
			_, _ = c.Write(text)
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
		}()
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, got))
		require.NoError(t, c.Close())
		u, err := a.Dial("udp", "b:7")
		require.NoError(t, err)
		_, err = u.Write([]byte("hello"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		took = sim.Elapsed()
		t.Cleanup(func() { digest = sim.Trace().Digest() })
	})
	return events, digest, took
}

// numbers returns a text in which no two parts are the same.
func numbers(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.Bytes()[:size]
}

// lossy is a link with all impairments.
var lossy = netem.Link{
	Latency: 20 * time.Millisecond, Jitter: netem.Jitter{Deviation: 2 * time.Millisecond}, Rate: 10 * netem.Mbps, Queue: netem.Queue{Bytes: 30_000},
	Loss: netem.Loss{Random: 0.02}, Duplicate: netem.Chance{Probability: 0.02}, Corrupt: netem.Chance{Probability: 0.01}, Reorder: netem.Chance{Probability: 0.02},
}

func TestPacketsChangeNothing(t *testing.T) {
	for name, config := range map[string]simtest.Config{
		"at once": {},
		"quiet":   {Link: netem.Link{Latency: 20 * time.Millisecond}},
		"queue":   {Link: netem.Link{Latency: 20 * time.Millisecond, Rate: 10 * netem.Mbps}},
		"lossy":   {Seed: 3, Link: lossy},
		"ideal":   {Seed: 3, Link: lossy, TCP: netem.TCP{Congestion: netem.Unlimited}},
	} {
		t.Run(name, func(t *testing.T) {
			with, digest, took := packetsOf(t, true, config, 100_000)
			without, plain, plainTook := packetsOf(t, false, config, 100_000)
			assert.Equal(t, plain, digest)
			assert.Equal(t, plainTook, took)
			var others []trace.Event
			packets := 0
			for _, e := range with {
				if e.Kind == trace.Packet || e.Kind == trace.Arrive {
					packets++
					continue
				}
				e.Packet, e.Payload = nil, ""
				others = append(others, e)
			}
			assert.Equal(t, without, others)
			assert.Positive(t, packets)
		})
	}
}

// Packets that leave carry the written bytes, and arrive unless the trace says that
// they were lost.
func TestPacketsAreTheStreams(t *testing.T) {
	const size = 300_000
	text := string(numbers(size))
	events, _, _ := packetsOf(t, true, simtest.Config{Seed: 5, Link: lossy}, size)
	left, arrived, lost := make(map[uint64]trace.Event), make(map[uint64]int), make(map[uint64]bool)
	next := make(map[string]int64) // the end of everything sent, by host
	resent, acknowledgments, twice, gone := 0, 0, 0, 0
	for _, e := range events {
		if e.Packet == nil {
			continue
		}
		p := e.Packet
		switch e.Kind {
		case trace.Packet:
			require.NotContains(t, left, p.Number)
			left[p.Number] = e
			if e.Conn.Network == "udp" {
				require.Equal(t, "hello", e.Payload)
				require.Equal(t, 33, p.Size)
				continue
			}
			require.Equal(t, 52+e.Length, p.Size)
			if e.Length > 0 {
				require.Equal(t, text[e.Offset:e.Offset+int64(e.Length)], e.Payload)
				require.Equal(t, e.Offset+1, p.Seq)
				require.Equal(t, p.Seq+int64(e.Length) <= next[e.From], p.Resent, "%v", e)
				next[e.From] = max(next[e.From], p.Seq+int64(e.Length))
				if p.Seq+int64(e.Length) == size+1 {
					require.NotZero(t, p.Flags&trace.PSH)
				}
			}
			if p.Resent {
				resent++
			}
			if len(p.SACK) > 0 {
				acknowledgments++
				require.Greater(t, p.SACK[0][1], p.SACK[0][0])
			}
			require.Positive(t, p.Congestion, "%v", e)
		case trace.Arrive:
			sent, known := left[p.Number]
			require.True(t, known, "%v", e)
			require.Equal(t, sent.At, e.At-e.Took, "%v", e)
			require.Equal(t, [2]string{sent.From, sent.To}, [2]string{e.From, e.To})
			require.Equal(t, [3]int64{sent.Packet.Seq, sent.Packet.Ack, sent.Offset}, [3]int64{p.Seq, p.Ack, e.Offset})
			require.Equal(t, sent.Packet.From, p.From)
			if arrived[p.Number]++; arrived[p.Number] == 2 {
				twice++
			}
		case trace.Drop:
			lost[p.Number] = true
			require.Contains(t, left, p.Number)
		}
	}
	for number, e := range left {
		switch isACK := e.Conn.Network == "tcp" && e.Length == 0 && e.Packet.Flags == trace.ACK; {
		case arrived[number] > 0, isACK:
		default:
			require.True(t, lost[number], "%v", e)
			gone++
		}
	}
	assert.Greater(t, resent, 3)
	assert.Greater(t, acknowledgments, 3)
	assert.Greater(t, twice, 3)
	assert.Greater(t, gone, 3)
}

// Packets are the same in every run, including acknowledgements without visible effect.
func TestPacketsAreTheSameEachTime(t *testing.T) {
	for _, link := range []netem.Link{{Latency: time.Millisecond}, lossy} {
		var first []string
		for range 4 {
			events, _, _ := packetsOf(t, true, simtest.Config{Seed: 7, Link: link}, 30_000)
			var texts []string
			for _, e := range events {
				texts = append(texts, e.String()+e.Payload)
			}
			if first == nil {
				first = texts
			}
			require.Equal(t, first, texts)
		}
	}
}

// Without losses all packets arrive in time, including acknowledgements without visible
// effect.
func TestAcknowledgmentsWithoutVisibleEffect(t *testing.T) {
	under := make(map[uint64]trace.Event)
	acknowledgments := 0
	simtest.Config{
		Link: netem.Link{Latency: 20 * time.Millisecond}, Packets: true,
		Trace: func(e trace.Event) {
			switch e.Kind {
			case trace.Packet:
				under[e.Packet.Number] = e
				if e.Length == 0 && e.Packet.Flags == trace.ACK {
					acknowledgments++
				}
			case trace.Arrive:
				assert.Equal(t, 20*time.Millisecond, e.Took)
				assert.Equal(t, under[e.Packet.Number].At+e.Took, e.At)
				delete(under, e.Packet.Number)
			}
		},
	}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		listener, err := sim.Host("b").Listen("tcp", ":7")
		require.NoError(t, err)
		go func() {
			c, err := listener.Accept()
			if err == nil {
				_, _ = io.Copy(io.Discard, c)
			}
		}()
		c, err := sim.Host("a").Dial("tcp", "b:7")
		require.NoError(t, err)
		for range 5 {
			_, err = c.Write([]byte("line"))
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
	})
	assert.Empty(t, under)
	assert.Equal(t, 6, acknowledgments) // including that of the handshake
}
