// Package slownet puts a slow path around real network connections.
//
// A [Link] describes one direction of a path: how long a byte is under way,
// how many bits pass in a second, and in what pieces. The zero Link is a path
// that passes everything at once. [NewListener] and [NewConn] wrap what the
// net package gives out, and what is written to the wrapped connection travels
// over the link before the inner connection sees it:
//
//	listener, err := net.Listen("tcp", "localhost:0")
//	...
//	slow := slownet.NewListener(listener, slownet.Config{
//		Write: slownet.Link{Latency: 40 * time.Millisecond, Rate: 250 * slownet.Kbps},
//	})
//
// # Model
//
// The model of a link is a [Flow]: a state machine without clock, lock or
// goroutine. It is handed the time and a number of bytes, and answers when
// they leave the sender and when they arrive. [Conn] drives it with a clock,
// package simtest with its queue of events; there is no second description of
// how slow a path is.
//
// Bytes in flight overlap: a hundred pieces over a link of 50 ms arrive after
// 50 ms, not after 5 s. Bytes of a stream never overtake each other, and none
// is ever lost, changed or doubled.
//
// # Time
//
// Time comes from [Config.Clock], deadlines included, so a connection can be
// driven by a clock.Mock, and runs unchanged in a testing/synctest bubble.
//
// # Limitations
//
// What is written is shaped; what is read is passed on as it comes. To slow
// both directions wrap both ends, or simulate the network with package
// simtest. There is no congestion control: the link's rate is used from the
// first byte on.
package slownet
