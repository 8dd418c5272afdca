// Package slownet puts a slow, faulty path around real network connections.
//
// A [Link] describes one direction of a path: how long a byte is under way and
// how much that varies, how many bits pass in a second, how many bytes may wait
// for that, and how packets are lost, doubled, corrupted and reordered. The
// zero Link is a path that passes everything at once. [NewListener], [NewConn],
// [Dialer] and [NewPacketConn] put a link in each direction around what the net
// package gives out:
//
//	listener, err := net.Listen("tcp", "localhost:0")
//	...
//	slow := slownet.NewListener(listener, slownet.Config{
//		Read:  slownet.Link{Latency: 40 * time.Millisecond, Rate: 100 * slownet.Kbps},
//		Write: slownet.Link{Latency: 40 * time.Millisecond, Rate: 250 * slownet.Kbps},
//	})
//
// A [Profile] is a named path in both directions. [ProfileByName] knows those of
// well-known tools, such as "webpagetest/3g" and DevTools' "slow 3g", and
// [ParseProfile] reads yours.
//
// One end of a connection is enough: wrapped at both, the path is there twice.
//
// # Model
//
// The model of a link is a [Flow] for streams and a [PacketFlow] for datagrams:
// state machines without clock or goroutine. They are handed the time and a
// number of bytes, and answer when those leave the sender and when they arrive.
// The wrappers drive them with a clock, package simtest with its queue of
// events; there is no second description of how slow a path is.
//
// Bytes in flight overlap: a hundred pieces over a link of 50 ms arrive after
// 50 ms, not after 5 s. Bytes of a stream never overtake each other, and none
// is ever lost, changed or doubled: TCP would not let that through. What
// befalls their packets costs time instead, as it does with TCP: a packet that
// is lost is sent again when the timer of RFC 6298 expires, and what follows
// waits for it. Datagrams are treated as a network treats them.
//
// The parameters are those of tc netem and of mahimahi. What is random follows
// from [Config.Seed]: the same seed gives the same sequence, on every platform.
//
// # Faults
//
// The links of a connection can be changed while it is used, and it can be
// stalled, reset, or closed after a number of bytes; see [Conn.SetLinks],
// [Conn.SetProfile], [Conn.Stall], [Conn.Reset] and [Conn.CloseAfter]. A
// [Listener] does that to all of its connections, and can refuse or delay new
// ones. [Config.Trace] tells what happened to which bytes when.
//
// # Sockets
//
// The wrappers have the methods of *net.TCPConn, *net.TCPListener and
// *net.UDPConn, so type assertions for such methods succeed. Options reach the
// socket. A datagram travels with its control messages, such as ECN's, and
// datagrams written by one call (UDP_SEGMENT) travel one by one. If the inner
// connection lacks a method, the error matches errors.ErrUnsupported.
//
// SyscallConn and File give out the inner connection's descriptor. Reads and
// writes on it bypass the links. So does a library that takes the descriptor
// for its own reads and writes, as golang.org/x/net/ipv4 does; quic-go and
// others, which would do so too, use [PacketConn.ReadBatch] and
// [PacketConn.WriteBatch] instead.
//
// # Closing
//
// Close and CloseWrite return at once, as those of sockets do, and may be called
// with locks held. What was written still arrives, in the background and as
// late as the link has it, followed by the end of the stream; then the inner
// connection is closed. [Conn.SetLinger] discards it instead, or has Close
// wait. To wait until the bytes have arrived, call [Conn.Drain] for one
// connection, or [Listener.Shutdown] and [Dialer.Shutdown] for all.
//
// Between two deliveries of a closed connection there is no goroutine, only a
// timer of its clock. So a testing/synctest bubble may end while one drains, and
// what has not arrived then is lost. To wait for it, shut down in this order,
// servers and clients first:
//
//	synctest.Test(t, func(t *testing.T) {
//		...
//		web.CloseIdleConnections()
//		require.NoError(t, server.Shutdown(t.Context()))
//		require.NoError(t, dialer.Shutdown(t.Context()))
//		require.NoError(t, listener.Shutdown(t.Context()))
//	})
//
// net/http's server keeps a connection half a second longer when it has cut a
// request short, so after server.Close a bubble needs a time.Sleep of that before
// it ends, on any network.
//
// While a clock.Mock stands still, a closed connection with bytes in flight
// keeps its inner connection open. Move the clock, or call SetLinger(0).
//
// # Time
//
// Time comes from [Config.Clock], deadlines included, so a connection can be
// driven by a clock.Mock, and runs unchanged in a testing/synctest bubble.
//
// With a clock.Mock, bytes are in flight once Write has returned. Bytes that
// the peer has sent are in flight only after they were taken from the inner
// connection; moving the clock before that has no effect on them. Wait for the
// Queued event in [Config.Trace], and then move the clock; see the example with
// the mock clock.
//
// In a bubble, times are exact, to the nanosecond. In real time a timer that fires
// late, by up to 100 ms, is made up for, so that delays do not add up.
//
// # Cost
//
// While a link has no limits, calls go right to the inner connection, and
// io.Copy keeps the operating system's fast ways, such as splice and sendfile.
// There is a goroutine for each direction of a connection while bytes are in
// flight or wait for the reader, and none while it is idle or closed.
//
// # Limitations
//
// There is no congestion control: the link's rate is used from the first byte
// on, and a lost packet does not slow down those behind it. Retransmissions are
// timed, and never triggered by duplicate acknowledgements (neither fast
// retransmit nor SACK). Whether a packet is lost, and how often, is decided when
// it is first sent; a copy, which meets the link a time-out later, is lost as
// often as packets are in the long run, whatever burst is on when it is decided.
//
// The parameters are netem's, some of what it does with them is not: a
// correlation leaves shares, mean and spread as they are (see [Chance] and
// [Jitter]); random loss has no correlation, reordering has no gap; a duplicate
// is not lost by itself; a packet that is reordered passes at the rate as all do.
// The jitter of a stream that has no rate and no loss is drawn once for each
// write.
//
// The wrapper needs the deadlines of the inner connection, to interrupt calls
// that block in it. An inner connection may set deadlines of its own, as one
// that times out when it is idle: Read or Write returns that time-out
// unchanged, and a fault restarts the idle time. If the inner connection times
// out while written bytes are in flight, they are lost, and every later Write
// returns the time-out.
//
// The inner connection is a real one: what it costs comes on top, and its
// buffers are beside the link's queue. Bytes that are read begin their way when
// they are taken from it, which is at once while others are under way or
// somebody waits in Read, and else when somebody reads. Up to 16 MiB may be in
// flight in each direction; a writer that is so far ahead waits.
//
// A dial cannot be slowed down from the server's end: it is the operating system
// that answers it.
package slownet
