// Package slownet puts a slow, faulty path around real network connections.
//
// A [netem.Link] describes one direction of a path: its latency, jitter, rate and
// queue, and how packets are lost, duplicated, corrupted and reordered. The zero
// Link passes everything at once. [NewListener],
// [NewConn], [Dialer] and [NewPacketConn] put a link in each direction around
// connections of the net package:
//
//	listener, err := net.Listen("tcp", "localhost:0")
//	...
//	slow := slownet.NewListener(listener, slownet.Config{
//		Read:  netem.Link{Latency: 40 * time.Millisecond, Rate: 100 * netem.Kbps},
//		Write: netem.Link{Latency: 40 * time.Millisecond, Rate: 250 * netem.Kbps},
//	})
//
// A [netem.Profile] is a named path in both directions, such as
// netem.MustProfile("webpagetest/3g"). [NewDialer], [ClientConfig] and
// [ServerConfig] put a connection on it, and [ReadProfile] reads one from a file.
//
// Wrap one end of a connection only: with both wrapped, data crosses the path twice.
//
// # Model
//
// Package netem contains the model of a link: how long bytes and datagrams take, and
// how they are impaired. The wrappers drive it with a clock, and package simtest drives
// it with its event queue, so both use the same model of a path. Bytes of a stream are
// never lost, changed or reordered; impairments of their packets cost time instead. All
// random decisions follow from [Config.Seed]. Streams are sent as Linux's TCP sends them,
// with slow start, CUBIC (RFC 9438) and retransmissions (RFC 8985, RFC 6298), so they
// take as long as on a real path. Alternatively, a stream can be ideal: it has the link's
// rate from the first byte on, and 1,500 bytes of payload in a packet; see [Config.TCP]:
//
//	slownet.Config{Read: link, Write: link, TCP: netem.TCP{Congestion: netem.Unlimited}}
//
// A link is shared by all traffic that crosses it. All connections of a Dialer share
// one pair of links, as do all connections of a Listener or a [Path]: four
// simultaneous downloads take four times as long as one. [Config.PerConn] gives each
// connection links of its own. Times are exact for a link with one writer at a time.
//
// # Faults
//
// The links of a connection can be changed while it is used, and it can be stalled,
// reset, or closed after a number of bytes; see [Conn.SetLinks], [Conn.SetProfile],
// [Conn.Stall], [Conn.Reset] and [Conn.CloseAfter]. A [Listener] does the same to all
// of its connections, and can refuse or delay new ones. [Config.Trace] reports what
// happened to which bytes, and when.
//
// # Sockets
//
// The wrappers have the methods of *net.TCPConn, *net.TCPListener and *net.UDPConn, so
// type assertions for such methods succeed. Options are set on the inner socket. A
// datagram keeps its control messages, such as ECN's, and datagrams written by one call
// (UDP_SEGMENT) cross the link one by one. If the inner connection lacks a method, the
// error matches errors.ErrUnsupported.
//
// SyscallConn and File return the inner connection's descriptor. Reads and writes on it
// bypass the links, even if a library such as golang.org/x/net/ipv4 makes them. Some
// libraries that use the descriptor of a plain socket, such as quic-go, call
// [PacketConn.ReadBatch] and [PacketConn.WriteBatch] instead, and stay on the links.
//
// # Closing
//
// Close and CloseWrite return at once, as a socket's do, and may be called with locks
// held. Written bytes still cross the link in the background, followed by the end of
// the stream; then the inner connection is closed. [Conn.SetLinger] discards them
// instead, or makes Close wait. To wait until the bytes have arrived, call [Conn.Drain]
// for one connection, or [Listener.Shutdown] and [Dialer.Shutdown] for all.
//
// While a closed connection drains, it has no goroutine between two deliveries, only a
// timer of its clock. So a testing/synctest bubble may end before a connection has
// drained, and bytes that have not arrived by then are lost. To wait for them, shut down
// in this order, servers and clients first:
//
//	synctest.Test(t, func(t *testing.T) {
//		...
//		web.CloseIdleConnections()
//		require.NoError(t, server.Shutdown(t.Context()))
//		require.NoError(t, dialer.Shutdown(t.Context()))
//		require.NoError(t, listener.Shutdown(t.Context()))
//	})
//
// After net/http's server has cut a request short, it keeps the connection open for
// another half second. So after server.Close a bubble needs a time.Sleep of half a second
// before it ends, with slownet or without.
//
// While a clock.Mock stands still, a closed connection with bytes in flight keeps its
// inner connection open. Advance the clock, or call SetLinger(0).
//
// # Time
//
// All times, including deadlines, are on [Config.Clock]'s time line. So a connection can
// be driven by a clock.Mock, and runs unchanged in a testing/synctest bubble.
//
// With a clock.Mock, bytes are in flight once Write has returned. Bytes that the peer
// has sent are in flight only after they were read from the inner connection; advancing
// the clock before that has no effect on them. Wait for the [trace.Send] event in
// [Config.Trace], and then advance the clock; see the example with the mock clock.
//
// In a bubble, times are exact, to the nanosecond. In real time, a timer that fires
// late by up to 100 ms is compensated for, so delays do not add up.
//
// # Cost
//
// While a link has no limits, calls go directly to the inner connection, and io.Copy
// keeps the operating system's fast paths, such as splice and sendfile. Each direction
// of a connection has a goroutine while bytes are in flight or wait for the reader, and
// none while it is idle or closed.
//
// # Limitations
//
// The limitations of the model are in package netem's documentation. Over TCP, the
// directions of a connection are independent: acknowledgements are separate segments,
// never part of data segments. On a path whose round trip takes minutes, TCP gives up, as
// on a real one: use [netem.Unlimited] there. With it, a dial takes a round trip of the
// links' latencies, whatever else they do to packets. A dial over TCP begins when the
// inner dial has succeeded, so the peer may accept a connection whose SYN is lost.
//
// The wrapper uses the deadlines of the inner connection to interrupt calls that block
// in it. An inner connection may set deadlines of its own, such as an idle timeout: Read
// or Write returns that timeout unchanged, and a fault restarts the idle time. If the
// inner connection times out while written bytes are in flight, they are lost, and every
// later Write returns the timeout.
//
// The inner connection is a real one: its delay adds to the link's, and its buffers to
// the link's queue. Received bytes enter the link when they are read from the inner
// connection: at once while other bytes are in flight or a goroutine waits in Read, and
// otherwise at the next Read. At most 16 MiB are in flight in each direction of an ideal
// stream; then the writer waits. Over TCP, a writer waits for room in the send buffer.
//
// A wrapper at the server's end cannot slow down a dial, as the operating system answers
// the dial.
package slownet
