package simtest_test

import (
	"io"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A trace records events, with their data and hosts.
func TestTrace(t *testing.T) {
	var told []string
	var kept *simtest.Trace
	config := simtest.Config{KeepEvents: 1000, Trace: func(e trace.Event) { told = append(told, e.String()) }}
	config.Run(t, func(t *testing.T, sim *simtest.Sim) {
		kept = sim.Trace()
		sim.SetLink("a", "b", netem.Link{Latency: 100 * ms})
		client, server := connected(t, sim)
		_, err := io.WriteString(client, "hello")
		require.NoError(t, err)
		_, err = io.WriteString(client, " world")
		require.NoError(t, err)
		require.NoError(t, client.Close())
		_, err = io.ReadAll(server)
		require.NoError(t, err)
		_, err = io.WriteString(server, "too late")
		require.NoError(t, err)
		time.Sleep(time.Second)
		sim.Partition([]string{"a"})
		packets, err := sim.Host("a").ListenPacket("udp", ":9")
		require.NoError(t, err)
		_, err = packets.WriteTo([]byte("x"), packets.LocalAddr())
		require.NoError(t, err)
		sim.Settle()
		sim.Host("b").Crash()
	})
	assert.Equal(t, []string{
		"0s fault a>b (link)",
		"100ms connect a>b a/tcp#1",
		"200ms accept a>b a/tcp#1",
		"300ms data a>b a/tcp#1 offset 0, 11 bytes, hash 40e6988b",
		"300ms close a>b a/tcp#1 offset 11",
		"300ms drop b>a a/tcp#1 offset 0, 8 bytes, hash 35b08404 (connection is closed)",
		"400ms reset a>b a/tcp#1 (connection reset by peer)",
		"1.3s fault a|b> (partition)",
		"1.3s data a>a a/udp#1 offset 0, 1 bytes, hash 80b2cd11",
		"1.3s host >b (crash)",
	}, told)
	assert.Len(t, kept.Events(), len(told))
	assert.EqualValues(t, len(told), kept.Len())
	for i, e := range kept.Events() {
		assert.Equal(t, told[i], e.String())
	}
	assert.Len(t, kept.Digest(), 16)
}

// Bytes that arrive at a closed end are recorded with their own hash, whatever else is
// unread there.
func TestTraceOfDataAfterClose(t *testing.T) {
	hashes := make(map[trace.Kind]uint32)
	note := func(e trace.Event) {
		if e.Length == len("more") {
			hashes[e.Kind] = e.Hash
		}
	}
	simtest.Config{Trace: note}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		_, err := io.WriteString(client, "more")
		require.NoError(t, err)
		_, err = io.WriteString(server, "unread")
		require.NoError(t, err)
		sim.SetLink("b", "a", netem.Link{Latency: time.Second})
		_, err = io.WriteString(server, "more")
		require.NoError(t, err)
		require.NoError(t, client.Close())
		time.Sleep(2 * time.Second)
	})
	require.Len(t, hashes, 2)
	assert.Equal(t, hashes[trace.Data], hashes[trace.Drop])
}

// If there are many events, only the last ones are kept, but the digest covers all.
func TestTraceIsBounded(t *testing.T) {
	run := func(keep int) (events []trace.Event, digest string) {
		simtest.Config{KeepEvents: keep}.Run(t, func(t *testing.T, sim *simtest.Sim) {
			client, server := connected(t, sim)
			for range 50 {
				write1(t, client, 'x')
				read1(t, server, 'x')
				time.Sleep(time.Second)
			}
			events, digest = sim.Trace().Events(), sim.Trace().Digest()
		})
		return events, digest
	}
	none, digest := run(-1)
	assert.Empty(t, none)
	usual, _ := run(0)
	assert.Len(t, usual, 20)
	few, sameDigest := run(10)
	assert.Len(t, few, 10)
	assert.Equal(t, digest, sameDigest)
	for i, e := range few {
		assert.EqualValues(t, 40+i, e.Offset, "oldest first")
	}
	all, _ := run(1000)
	assert.Len(t, all, 52)
}

// Any difference changes the digest.
func TestDigestSeesEverything(t *testing.T) {
	digests := make(map[string]bool)
	run := func(data string, latency, pause time.Duration, chunk int) {
		ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
			sim.SetLink("a", "b", netem.Link{Latency: latency, Rate: netem.Gbps})
			client, server := connected(t, sim)
			time.Sleep(pause)
			for len(data) > 0 {
				n := min(chunk, len(data))
				_, err := io.WriteString(client, data[:n])
				require.NoError(t, err)
				data = data[n:]
			}
			require.NoError(t, client.Close())
			_, err := io.ReadAll(server)
			require.NoError(t, err)
			digests[sim.Trace().Digest()] = true
		})
	}
	for range 3 {
		run("abc", ms, 0, 10)
		run("abd", ms, 0, 10)
		run("abc", ms+1, 0, 10)
		run("abc", ms, 1, 10)
		run("abc", ms, 0, 2)
		run("abc", ms, 0, 1)
		run("ab", ms, 0, 10)
		run("", ms, 0, 10)
	}
	assert.Len(t, digests, 8)
}

// A data event records the time for which the data was in flight.
func TestTraceRecordsTheTimeInFlight(t *testing.T) {
	for name, tcp := range map[string]netem.TCP{"tcp": {}, "ideal": {Congestion: netem.Unlimited}} {
		t.Run(name, func(t *testing.T) {
			var left []time.Duration
			var begin, sent time.Duration
			config := simtest.Config{TCP: tcp, Trace: func(e trace.Event) {
				if e.Kind == trace.Data {
					left = append(left, e.At-e.Took)
				}
			}}
			config.Run(t, func(t *testing.T, sim *simtest.Sim) {
				sim.SetLink("a", "b", netem.Link{Latency: 100 * ms, Jitter: netem.Jitter{Deviation: 50 * ms}})
				client, server := connected(t, sim)
				begin = sim.Elapsed()
				for range 3 {
					write1(t, client, 'x')
					time.Sleep(10 * ms)
				}
				for range 3 {
					read1(t, server, 'x')
				}
				packets, err := sim.Host("a").Dial("udp", "b:9")
				require.NoError(t, err)
				_, err = sim.Host("b").ListenPacket("udp", ":9")
				require.NoError(t, err)
				sent = sim.Elapsed()
				_, err = packets.Write([]byte("x"))
				require.NoError(t, err)
				time.Sleep(time.Second)
			})
			assert.Equal(t, begin, left[0])
			assert.Equal(t, sent, left[len(left)-1])
			for _, at := range left[:len(left)-1] {
				assert.Contains(t, []time.Duration{begin, begin + 10*ms, begin + 20*ms}, at)
			}
		})
	}
}

// An event contains nothing of the event that it replaces in the memory of the last ones.
func TestKeptEventsAreIndependent(t *testing.T) {
	drops, data := 0, 0
	for number := range uint64(20) {
		seed, tape := randomTape(number)
		program := decodeFuzzProgram(seed, tape)
		program.tcp = true
		w := &fuzzWorld{program: program, flows: make(map[string]*fuzzFlow), references: make(map[string]*fuzzReference)}
		config := simtest.Config{
			TCP: netem.TCP{Congestion: netem.Reno}, TimeLimit: 1000 * time.Hour, KeepPools: true, KeepEvents: 2,
			Trace: func(e trace.Event) {
				switch e.Kind {
				case trace.Drop:
					drops++
				case trace.Data:
					data++
					require.Empty(t, e.Note)
					require.Nil(t, e.Packet)
				}
			},
		}
		config.Run(t, func(t *testing.T, sim *simtest.Sim) {
			w.sim, w.origin = sim, time.Now()
			w.model = newFuzzModel(program, w.now)
			w.bottleneck = netem.NewBottleneck(10 * netem.Mbps)
			w.run()
		})
	}
	assert.NotZero(t, drops)
	assert.NotZero(t, data)
}
