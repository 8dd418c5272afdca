package simtest_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A lossyWrite is a packet of 1,500 bytes, which takes 12 ms at 1 Mbit/s, plus 40 ms of
// latency.
type lossyWrite struct {
	at   time.Duration
	lost bool // once
}

// An ideal stream retransmits a lost packet as soon as the acknowledgement of three
// later packets can be back, 28 ms after their arrival, or a second after the lost
// packet has left. A retransmission takes 12 ms, before everything sent later.
func TestFastRetransmitOfAnIdealStream(t *testing.T) {
	dot := lossyWrite{}
	x := lossyWrite{lost: true}
	for _, test := range []struct {
		name   string
		writes []lossyWrite
		want   []time.Duration // the arrival time of each packet
	}{
		{"three follow: the last leaves at 60 ms, is known of at 128, and the copy is there 52 ms later",
			[]lossyWrite{x, dot, dot, dot}, []time.Duration{180 * ms, 180 * ms, 180 * ms, 180 * ms}},
		{"two follow", []lossyWrite{x, dot, dot}, []time.Duration{1064 * ms, 1064 * ms, 1064 * ms}},
		{"two follow, and one in time", []lossyWrite{x, dot, dot, {at: 500 * ms}},
			[]time.Duration{632 * ms, 632 * ms, 632 * ms, 632 * ms}},
		{"two follow, and one too late", []lossyWrite{x, dot, dot, {at: 940 * ms}},
			[]time.Duration{1064 * ms, 1064 * ms, 1064 * ms, 1064 * ms}},
		{"the last one", []lossyWrite{dot, x}, []time.Duration{52 * ms, 1076 * ms}},
		{"two of one flight", []lossyWrite{x, dot, dot, x, dot, dot, dot},
			[]time.Duration{204 * ms, 204 * ms, 204 * ms, 228 * ms, 228 * ms, 228 * ms, 228 * ms}},
	} {
		for _, over := range []string{"the link", "Up", "Down"} {
			t.Run(test.name+", over "+over, func(t *testing.T) {
				for seed := range uint64(2) {
					simtest.Config{TCP: unlimited, Seed: seed, KeepPools: true}.Run(t, func(t *testing.T, sim *simtest.Sim) {
						assert.Equal(t, test.want, lossyWrites(t, sim, over, test.writes), "seed %d", seed)
					})
				}
			})
		}
	}
}

// lossyWrites returns the arrival times of packets that are written to a connection
// over a lossy hop.
func lossyWrites(t *testing.T, sim *simtest.Sim, over string, writes []lossyWrite) (arrived []time.Duration) {
	link := netem.Link{Rate: netem.Mbps, Latency: 40 * ms}
	lossy := link
	lossy.Loss.Markov.P14 = 1 // the first packet, but not its retransmission
	set := func(link netem.Link) {
		switch over {
		case "the link":
			sim.SetLink("a", "b", link)
		case "Up":
			sim.Host("a").SetAccess(netem.Profile{Up: link})
		case "Down":
			sim.Host("b").SetAccess(netem.Profile{Down: link})
		}
	}
	client, server := connected(t, sim)
	sim.SetLink("b", "a", netem.Link{Latency: 28 * ms})
	start := sim.Elapsed()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range writes {
			_, err := io.ReadFull(server, make([]byte, 1500))
			assert.NoError(t, err)
			arrived = append(arrived, sim.Elapsed()-start)
		}
	}()
	for i, w := range writes {
		// A packet is subject to the link at the beginning of its serialization, and a
		// retransmission passes right after the lost packet.
		begins := max(w.at, time.Duration(i)*12*ms)
		for _, before := range writes[:i] {
			if before.lost && w.at == 0 {
				begins += 12 * ms
			}
		}
		time.Sleep(begins - (sim.Elapsed() - start))
		if w.lost {
			set(lossy)
		} else {
			set(link)
		}
		_, err := client.Write(make([]byte, 1500))
		require.NoError(t, err)
		sim.Settle()
	}
	<-done
	return arrived
}

// The end of a stream comes after packets lost before it, and does not reveal the loss.
func TestEndAfterALossOfAnIdealStream(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		client, server := connected(t, sim)
		sim.SetLink("a", "b", netem.Link{Latency: 40 * ms, Loss: netem.Loss{Markov: netem.Markov{P14: 1}}})
		start := sim.Elapsed()
		write1(t, client, 'x')
		sim.Settle()
		sim.SetLink("a", "b", netem.Link{Latency: 40 * ms})
		require.NoError(t, client.(interface{ CloseWrite() error }).CloseWrite())
		text, err := io.ReadAll(server)
		require.NoError(t, err)
		assert.Equal(t, "x", string(text))
		assert.Equal(t, 1040*ms, sim.Elapsed()-start)
	})
}
