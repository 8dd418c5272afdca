package simtest_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// A writer can reuse its buffer at once.
func TestDatagramsAreCopied(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := packetPair(t, sim)
		buffer := []byte("one")
		_, err := a.WriteTo(buffer, b.LocalAddr())
		require.NoError(t, err)
		copy(buffer, "two")
		_, err = a.WriteTo(buffer, b.LocalAddr())
		require.NoError(t, err)
		copy(buffer, "bad")
		assert.Equal(t, []string{"one", "two"}, readPackets(b))
	})
}

// If a datagram arrives twice, corruption flips one bit in each copy, not two bits in
// both.
func TestDuplicatesAreCorruptedSeparately(t *testing.T) {
	simtest.Config{Seed: 1}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		always := netem.Chance{Probability: 1}
		sim.SetLink("a", "b", netem.Link{Duplicate: always, Corrupt: always})
		a, b := packetPair(t, sim)
		for range 20 {
			_, err := a.WriteTo(make([]byte, 100), b.LocalAddr())
			require.NoError(t, err)
		}
		got := readPackets(b)
		assert.Len(t, got, 40)
		for _, data := range got {
			bits := 0
			for _, c := range []byte(data) {
				for ; c != 0; c &= c - 1 {
					bits++
				}
			}
			assert.Equal(t, 1, bits)
		}
	})
}

// However small the receive buffer is, a socket accepts one datagram; and reading makes
// room.
func TestRoomForDatagrams(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := packetPair(t, sim)
		require.NoError(t, b.(interface{ SetReadBuffer(int) error }).SetReadBuffer(1))
		text := strings.Repeat("x", 1500)
		for range 300 {
			_, err := a.WriteTo([]byte(text), b.LocalAddr())
			require.NoError(t, err)
			sim.Settle()
			p := make([]byte, 2000)
			require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Second)))
			n, _, err := b.ReadFrom(p)
			require.NoError(t, err)
			require.Equal(t, text, string(p[:n]))
		}
	})
}

// A socket that has sent before uses a changed link.
func TestLinkOfDatagramsChanges(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		a, b := packetPair(t, sim)
		for _, latency := range []time.Duration{0, time.Second, 2 * time.Second} {
			sim.SetLink("a", "b", netem.Link{Latency: latency})
			start := time.Now()
			_, err := a.WriteTo([]byte("x"), b.LocalAddr())
			require.NoError(t, err)
			_, _, err = b.ReadFrom(make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, latency, time.Since(start))
		}
	})
}

// The error for a closed port does not cross a partition.
func TestClosedPortBehindAPartition(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.Host("b")
		conn, err := sim.Host("a").Dial("udp", "b:1")
		require.NoError(t, err)
		sim.PartitionOneWay([]string{"b"}, []string{"a"})
		for range 2 {
			_, err = io.WriteString(conn, "x")
			assert.NoError(t, err)
			time.Sleep(time.Second)
		}
	})
}
