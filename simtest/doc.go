// Package simtest runs real network code on a simulated network in simulated
// time.
//
// [Run] starts a testing/synctest bubble with an in-memory network in it. Code
// under test gets its listeners and connections from a [Host] instead of the
// net package; nothing else about it changes:
//
//	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
//		poet, reader := sim.Host("poet"), sim.Host("reader")
//		sim.SetLink("poet", "reader", slownet.Link{Latency: 300 * time.Millisecond})
//
//		listener, err := poet.Listen("tcp", ":10000")
//		...
//		conn, err := reader.DialContext(t.Context(), "tcp", "poet:10000")
//		...
//	})
//
// In the bubble time stands still while anything runs and jumps when everything
// waits, so a test takes milliseconds whatever its durations, and may assert
// them to the nanosecond.
//
// # Connections
//
// A simulated connection owes its user what a socket does. It passes
// golang.org/x/net/nettest. To connect takes a round trip. What was sent before
// a close arrives before it. Each direction can be closed by itself. To close
// with bytes unread resets the peer. A writer whose peer does not read blocks
// when a window of 1 MiB is full. Errors are those of the system: a *net.OpError
// around ECONNREFUSED, ECONNRESET or EPIPE, net.ErrClosed,
// os.ErrDeadlineExceeded, and a *net.DNSError for a host that does not exist.
//
// Beyond net.Conn they have CloseRead and CloseWrite, SetLinger as TCP
// connections do, and TryRead and NotifyReadable for event loops that must not
// block.
//
// # Order
//
// Everything that crosses the network goes through one queue of events. One is
// delivered, then the simulation waits until every goroutine is blocked again,
// then comes the next. What goroutines send in the meantime is put in an order
// that does not depend on the scheduler before it is looked at: by host, by
// connection, by the connection's own sequence. So events of one instant come
// in the same order in every run, on any number of processors and under the
// race detector, as long as
//
//   - hosts share nothing but the network, and
//   - no two goroutines of one host race each other at one instant: to write to
//     the same connection, say, or to listen on port 0.
//
// # Limitations
//
// There is TCP only, no UDP yet. A bubble's rules hold: no t.Run, t.Parallel or
// synctest.Wait inside (the network itself waits there), and no goroutine may
// block on what lives outside, such as a real socket.
package simtest
