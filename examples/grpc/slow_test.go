package grpc

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The first call connects; each call costs a round trip.
func TestUnary(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		client := dial(t, sim)
		took, err := call(t.Context(), client)
		require.NoError(t, err)
		assert.Equal(t, connecting+roundTrip, took)
		for range 3 {
			took, err = call(t.Context(), client)
			require.NoError(t, err)
			assert.Equal(t, roundTrip, took)
		}
	})
}

// A call ends at its deadline, whether its request, its handler or its answer is under
// way. The server's handler ends the same time after it began.
func TestDeadline(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		ended := make(chan time.Duration, 1)
		serve(t, sim).set(func(ctx context.Context) {
			<-ctx.Done()
			ended <- sim.Elapsed()
		})
		client := dial(t, sim)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		took, err := call(ctx, client)
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		assert.Equal(t, 3*time.Second, took)
		assert.Equal(t, 3*time.Second+oneWay, <-ended)
	})
}

// fiveMessages asks the server for a message every second.
func fiveMessages(t *testing.T, client testgrpc.TestServiceClient) grpc.ServerStreamingClient[testgrpc.StreamingOutputCallResponse] {
	t.Helper()
	request := &testgrpc.StreamingOutputCallRequest{}
	for range 5 {
		request.ResponseParameters = append(request.ResponseParameters,
			&testgrpc.ResponseParameters{Size: 10, IntervalUs: int32(time.Second / time.Microsecond)})
	}
	stream, err := client.StreamingOutputCall(t.Context(), request)
	require.NoError(t, err)
	return stream
}

// Messages that the server sends every second arrive every second.
func TestServerStreaming(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		stream := fiveMessages(t, dial(t, sim))
		for i := range 5 {
			_, err := stream.Recv()
			require.NoError(t, err)
			assert.Equal(t, connecting+roundTrip+time.Duration(i+1)*time.Second, sim.Elapsed())
		}
		_, err := stream.Recv()
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, connecting+roundTrip+5*time.Second, sim.Elapsed())
	})
}

// Ten messages, each sent after the answer to the one before, cost ten round trips. Ten
// messages that do not wait for answers cost one.
func TestBidirectionalStreaming(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		stream, err := dial(t, sim).FullDuplexCall(t.Context())
		require.NoError(t, err)
		send := func() {
			assert.NoError(t, stream.Send(&testgrpc.StreamingOutputCallRequest{}))
		}
		receive := func() {
			_, err := stream.Recv()
			assert.NoError(t, err)
		}
		assert.Equal(t, connecting, sim.Elapsed())
		for range 10 {
			send()
			receive()
		}
		assert.Equal(t, connecting+10*roundTrip, sim.Elapsed())

		for range 10 {
			send()
		}
		for range 10 {
			receive()
		}
		assert.Equal(t, connecting+10*roundTrip+roundTrip, sim.Elapsed())

		assert.NoError(t, stream.CloseSend())
		_, err = stream.Recv()
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, connecting+12*roundTrip, sim.Elapsed())
	})
}

// At 8 kbit/s a byte takes a millisecond, so the size of an answer matters, including
// the headers of its segments. The request is as large. If it has several segments,
// which arrive together, they are acknowledged before the answer. The acknowledgement
// of a single segment is delayed, and the answer carries it.
func TestSlowLink(t *testing.T) {
	scenario(t, func(t *testing.T, sim *simtest.Sim) {
		serve(t, sim)
		stream, err := dial(t, sim).FullDuplexCall(t.Context())
		require.NoError(t, err)
		echo := func(size int) time.Duration {
			start := sim.Elapsed()
			require.NoError(t, stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: make([]byte, size)}}))
			_, err := stream.Recv()
			require.NoError(t, err)
			return sim.Elapsed() - start
		}
		echo(0) // with the header of the stream, while the link is fast

		sim.SetLink("server", "client", netem.Link{Latency: oneWay, Rate: 8 * netem.Kbps})
		for _, size := range []int{1, 1000, 10000} {
			bytes := onWire(message(size))
			segments := (bytes + netem.MSS - 1) / netem.MSS
			bytes += (min(segments/2, 1) + segments) * netem.HeaderSize
			assert.Equal(t, roundTrip+time.Duration(bytes)*time.Millisecond, echo(size))

			// TCP's timeout was measured on the fast link, so TCP retransmits the
			// answer twice before it is acknowledged. That takes time, too.
			time.Sleep(time.Minute)
		}
	})
}
