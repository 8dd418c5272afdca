// Package grpc runs google.golang.org/grpc, client and server, in the
// simulator.
//
// Its tests are the example: unary calls, streams, deadlines, keep-alive and
// reconnecting, over a slow link and through a partition, with every time exact.
package grpc
