package grpc

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/slowpoetry/slowpoetry/simtest"
)

// partition cuts the two hosts off from each other.
func partition(sim *simtest.Sim) { sim.Partition([]string{"client"}, []string{"server"}) }

// retransmission returns the time after which TCP retransmits an unacknowledged segment
// for the nth time. The retransmission timer waits for the timeout, and then twice as
// long each time. The first retransmission is a tail loss probe, after which the
// timeout begins.
//
// The timeout is srtt + max(200 ms, 4 rttvar). After the first round trip, rttvar is
// half of that round trip. Each further round trip reduces the mean deviation by a
// quarter of the difference, and once per round trip Linux lets rttvar follow by a
// quarter.
func retransmission(timeout time.Duration, n int) time.Duration { return timeout << (n - 1) }

// A client that sends a ping after ten seconds without data, and waits three
// for the answer, knows after thirteen seconds that the server is unreachable.
// Otherwise a call without a deadline would wait forever.
func TestPartitionAndKeepAlive(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		service := serve(t, sim)
		client := dial(t, sim, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}))
		_, err := call(t.Context(), client)
		require.NoError(t, err)
		heard := sim.Elapsed()

		service.set(func(ctx context.Context) { <-ctx.Done() })
		sim.At(heard+5*time.Second, func() { partition(sim) })
		_, err = call(t.Context(), client)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.ErrorContains(t, err, "keepalive ping failed to receive ACK within timeout")
		assert.Equal(t, heard+10*time.Second+3*time.Second, sim.Elapsed())

		// A call that waits for the server connects at once, then each second
		// five times, and after 7 s, which is the first time after the
		// partition.
		service.set(nil)
		sim.At(sim.Elapsed()+6*time.Second, func() { sim.Heal() })
		took, err := call(t.Context(), client, grpc.WaitForReady(true))
		assert.NoError(t, err)
		assert.Equal(t, 7*time.Second+connecting+roundTrip, took)
	})
}

// A client that cannot connect gives each attempt twenty seconds. A call that
// does not wait for the server fails with the first attempt.
func TestPartitionWhileConnecting(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := dial(t, sim)
		partition(sim)
		took, err := call(t.Context(), client)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.Equal(t, 20*time.Second, took)
	})
}

// The deadline of a call also holds in a partition. The connection stays, and
// works again with TCP's next retransmission: the fourth, 4.45 s after the
// segment was first sent. Later data waits for another round trip, as a timeout
// leaves a window of one segment.
func TestPartitionAndDeadline(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := dial(t, sim)
		_, err := call(t.Context(), client)
		require.NoError(t, err)

		partition(sim)
		start := sim.Elapsed()
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		took, err := call(ctx, client)
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		assert.Equal(t, 2500*time.Millisecond, took)

		sim.Heal()
		_, err = call(t.Context(), client)
		assert.NoError(t, err)
		timeout := roundTrip + 356250*time.Microsecond // 4 rttvar: 400 - (400 - 225) / 4 ms
		assert.Equal(t, retransmission(timeout, 4)+2*roundTrip, sim.Elapsed()-start)
	})
}

// A stream outlives a partition: its messages come late, and none is lost.
func TestPartitionOfAStream(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		stream := fiveMessages(t, dial(t, sim))
		start := connecting + oneWay // when the request has reached the server
		sim.At(start+1500*time.Millisecond, func() { partition(sim) })
		sim.At(start+4500*time.Millisecond, func() { sim.Heal() })
		var arrived []time.Duration
		for range 5 {
			_, err := stream.Recv()
			require.NoError(t, err)
			arrived = append(arrived, sim.Elapsed()-start-oneWay)
		}
		// The first message was acknowledged 40 ms late, as the client might have
		// had data to send: srtt is 200 + 40/8 ms, and 4 rttvar is 400 - (400 -
		// 265) / 4 ms. The second message is lost, and retransmitted for the
		// fourth time after 4.57 s. The others wait for its acknowledgement, which
		// is late, too, as a timeout leaves a window of one segment.
		const delayed = 40 * time.Millisecond
		timeout := roundTrip + delayed/8 + 366250*time.Microsecond
		second := 2*time.Second + retransmission(timeout, 4)
		rest := second + delayed + roundTrip
		assert.Equal(t, []time.Duration{time.Second, second, rest, rest, rest}, arrived)
	})
}

// A server checks its clients in the same way: a call from a dead client ends.
func TestServersKeepAlive(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		service := serve(t, sim, grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}))
		ended := make(chan time.Duration, 1)
		begun := make(chan time.Duration, 1)
		service.set(func(ctx context.Context) {
			begun <- sim.Elapsed()
			<-ctx.Done()
			ended <- sim.Elapsed()
		})
		client := dial(t, sim)
		sim.At(5*time.Second, func() { partition(sim) })
		go func() { _, _ = call(t.Context(), client) }()
		heard := <-begun
		assert.Equal(t, connecting+oneWay, heard)
		assert.Equal(t, heard+10*time.Second+3*time.Second, <-ended)
	})
}
