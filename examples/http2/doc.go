// Package http2 runs net/http's HTTP/2 over crypto/tls in the simulator.
//
// Its tests are the example: the round trips of a handshake, many requests on
// one connection, and a partition, with every time exact.
package http2
