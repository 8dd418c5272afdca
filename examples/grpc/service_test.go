package grpc

import (
	"context"
	"io"
	"sync"
	"time"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

// A service answers calls of gRPC's own test service.
type service struct {
	testgrpc.UnimplementedTestServiceServer

	mu     sync.Mutex
	onCall func(ctx context.Context) // if not nil, called by EmptyCall
}

// EmptyCall answers at once, or when onCall returns.
func (s *service) EmptyCall(ctx context.Context, _ *testgrpc.Empty) (*testgrpc.Empty, error) {
	s.mu.Lock()
	onCall := s.onCall
	s.mu.Unlock()
	if onCall != nil {
		onCall(ctx)
	}
	return &testgrpc.Empty{}, nil
}

// set sets the function that EmptyCall calls.
func (s *service) set(onCall func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCall = onCall
}

// StreamingOutputCall sends messages with the sizes and at the intervals of the
// request.
func (s *service) StreamingOutputCall(request *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	for _, wanted := range request.GetResponseParameters() {
		time.Sleep(time.Duration(wanted.GetIntervalUs()) * time.Microsecond)
		if err := stream.Send(message(int(wanted.GetSize()))); err != nil {
			return err
		}
	}
	return nil
}

// FullDuplexCall answers each message with a message of the same size.
func (s *service) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(message(len(request.GetPayload().GetBody()))); err != nil {
			return err
		}
	}
}

// message returns a message with a payload of n bytes.
func message(size int) *testgrpc.StreamingOutputCallResponse {
	return &testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: make([]byte, size)}}
}

// onWire returns the size of a message in a frame of HTTP/2.
func onWire(m proto.Message) int {
	const frameHeader, messageHeader = 9, 5
	return frameHeader + messageHeader + proto.Size(m)
}
