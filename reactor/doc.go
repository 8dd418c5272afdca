// Package reactor waits for many connections at once and calls a handler when one of
// them is readable. It is the reactor pattern, for connections of the net package.
//
// Connections are added to a [Reactor], each with a [Handler]. [Reactor.Run] is the
// loop: it waits until one or more connections are readable, calls their handlers, one
// after another, and waits again, until all connections are closed. Handlers read the
// available bytes and never block, so one goroutine serves any number of connections,
// and their code needs no locks.
//
//	var r reactor.Reactor
//	r.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {
//		n, err := c.Read(buffer)
//		switch {
//		case err == reactor.ErrWouldBlock: // nothing to read now
//		case err != nil: // io.EOF, or an error
//			c.Close()
//		default: // n bytes; there may be more
//		}
//	}))
//	err := r.Run()
//
// [Reactor.Go] runs blocking work on another goroutine, and then returns to the loop.
// [Reactor.Dial] makes connections, as many at once as the process has file
// descriptors for. [Reactor.AfterFunc] sets a timer, and [Reactor.AfterContext]
// reports the end of a context.
//
// # Where readiness comes from
//
//   - TCP and Unix sockets on Linux: epoll. The loop waits in the runtime's network
//     poller and holds no thread.
//   - Connections that are [Pollable], such as simulated ones: the connection itself.
//   - Any other net.Conn, and sockets on other systems: a goroutine for each
//     connection, which reads 4 KiB ahead.
//
// Handlers see no difference.
//
// # Order
//
// Handlers are called in the order in which their connections became readable,
// functions in the order of their calls of Call, and timers in the order of their
// times; timers of the same instant in the order in which they were set. So in
// simulated time a run repeats.
//
// # Limitations
//
// The loop waits only for reading; a handler that writes must not block. On Linux a
// socket is recognised by its type, *net.TCPConn or *net.UnixConn; a wrapper around
// one is read through the wrapper, by a goroutine.
package reactor
