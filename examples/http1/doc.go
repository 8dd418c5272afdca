// Package http1 runs net/http, client and server, in the simulator.
//
// Its tests are the example: HTTP/1.1 over a slow link and through a partition,
// with every time exact. [time.Duration] values in the tests are built from the
// round-trip time of the link, so a test shows which round trips it counts.
package http1
