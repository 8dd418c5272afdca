package simtest_test

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A writer that finds the window full after the other end has vanished, without a
// notice that got through, gets an error.
func TestWriterThatComesLaterFindsOut(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		_, err := conn.Write(make([]byte, windowSize))
		require.NoError(t, err)
		sim.Partition([]string{"a"}, []string{"b"})
		require.NoError(t, peer.Close())
		sim.Heal()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Hour)))
		_, err = conn.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// A writer that waits for the window learns that the other end has given up, since
// nothing answers.
func TestWriterFindsOutThatTheOtherEndHasGivenUp(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		go func() {
			time.Sleep(time.Second)
			sim.PartitionOneWay([]string{"b"}, []string{"a"})
			_, err := io.WriteString(peer, "to the void")
			assert.NoError(t, err)
			_, err = peer.Read(make([]byte, 2*windowSize))
			assert.NoError(t, err)
			_, err = peer.Read(make([]byte, 1))
			assert.ErrorIs(t, err, syscall.ETIMEDOUT)
		}()
		require.NoError(t, conn.SetDeadline(time.Now().Add(3*time.Hour)))
		_, err := conn.Write(make([]byte, 2*windowSize))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}

// An end that has ended its stream learns that the other host crashed before the end of
// the stream arrived.
func TestEndOfStreamToAHostThatHasCrashed(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		conn, _ := connected(t, sim)
		require.NoError(t, conn.(half).CloseWrite())
		time.Sleep(500 * ms)
		sim.Host("b").Crash()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Hour)))
		_, err := conn.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}

// An end also learns that its peer has given up.
func TestEndOfStreamToAnEndThatHasGivenUp(t *testing.T) {
	ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, peer := connected(t, sim)
		sim.PartitionOneWay([]string{"a"}, []string{"b"})
		_, err := io.WriteString(conn, "is anybody there?")
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		sim.Heal()
		require.NoError(t, peer.(half).CloseWrite())
		require.NoError(t, peer.SetDeadline(time.Now().Add(time.Hour)))
		_, err = peer.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// A host that crashes while a dial is in flight does not refuse it.
func TestDialInFlightWhenTheHostCrashes(t *testing.T) {
	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
		sim.SetLink("a", "b", netem.Link{Latency: time.Second})
		_, err := sim.Host("b").Listen("tcp", ":1")
		require.NoError(t, err)
		sim.At(500*ms, sim.Host("b").Crash)
		_, err = sim.Host("a").Dial("tcp", "b:1")
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}

// If all addresses of a name fail, the error is that of the first.
func TestDialReportsTheFirstAddressError(t *testing.T) {
	simtest.Config{Link: netem.Link{Latency: 100 * ms}}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		_, err := sim.Host("b").Listen("tcp6", ":1")
		require.NoError(t, err)
		sim.At(250*ms, func() { sim.Partition([]string{"a"}, []string{"b"}) }) // IPv4 was refused by then
		_, err = sim.Host("a").Dial("tcp", "b:1")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Greater(t, sim.Elapsed(), time.Minute)
	})
}

// A host that has crashed does not retransmit bytes that were lost before.
func TestNothingComesFromACrashedHost(t *testing.T) {
	var crashed bool
	note := func(e trace.Event) {
		crashed = crashed || e.Kind == trace.HostEvent
		assert.False(t, crashed && e.From == "a", "%v", e)
	}
	simtest.Config{TCP: unlimited, Trace: note}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, _ := connected(t, sim)
		sim.Partition([]string{"a"}, []string{"b"})
		_, err := io.WriteString(conn, "lost")
		require.NoError(t, err)
		time.Sleep(time.Second)
		sim.Host("a").Crash()
		time.Sleep(time.Hour)
	})
	assert.True(t, crashed)
}

// A connection that was reset is not reset again.
func TestASecondReset(t *testing.T) {
	resets := 0
	note := func(e trace.Event) {
		if e.Kind == trace.Reset {
			resets++
		}
	}
	simtest.Config{Trace: note}.Run(t, func(t *testing.T, sim *simtest.Sim) {
		conn, _ := connected(t, sim)
		sim.Reset("a", "b")
		_, err := conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		sim.Reset("a", "b")
		_, err = conn.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	})
	assert.Equal(t, 2, resets, "of each end")
}

// Lost data is retransmitted when its acknowledgement is overdue, which depends on both
// directions.
func TestRetransmissionTimeDependsOnTheRoundTrip(t *testing.T) {
	for back, want := range map[time.Duration]time.Duration{0: 200 * ms, 500 * ms: 600 * ms} {
		ideal.Run(t, func(t *testing.T, sim *simtest.Sim) {
			conn, peer := connected(t, sim)
			sim.SetLink("a", "b", netem.Link{Latency: 100 * ms})
			sim.SetLink("b", "a", netem.Link{Latency: back})
			write1(t, conn, '1')
			read1(t, peer, '1')
			time.Sleep(time.Second)
			sim.Partition([]string{"a"}, []string{"b"})
			start := time.Now()
			write1(t, conn, '2')
			sim.Settle()
			sim.Heal()
			read1(t, peer, '2')
			assert.Equal(t, want+100*ms, time.Since(start))
		})
	}
}
