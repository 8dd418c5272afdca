// Package reactor waits for many connections at once and tells a handler when
// one of them can be read: the reactor pattern, for connections of the net
// package.
//
// A [Reactor] is handed connections, each with a [Handler]. [Reactor.Run] is
// the loop: it waits until one or more connections can be read, calls their
// handlers, one after another, and waits again, until all are closed. Handlers
// read what is there and never block, so one goroutine serves any number of
// connections, and their code needs no locks.
//
//	var r reactor.Reactor
//	r.Add(conn, reactor.HandlerFunc(func(c *reactor.Conn) {
//		n, err := c.Read(buffer)
//		switch {
//		case err == reactor.ErrWouldBlock: // nothing there now
//		case err != nil: // the end, or worse
//			c.Close()
//		default: // n bytes, and perhaps there is more
//		}
//	}))
//	err := r.Run()
//
// What blocks is handed to [Reactor.Go], which does it elsewhere and comes back
// to the loop; connections are made by [Reactor.Dial], as many at once as the
// process has descriptors for. Timers are set by [Reactor.AfterFunc], and
// [Reactor.AfterContext] reports the end of a context.
//
// # Where readiness comes from
//
//   - TCP and Unix sockets on Linux: epoll. The loop sleeps in the runtime's
//     network poller, without a thread of its own.
//   - Connections that are [Pollable], such as simulated ones: from the
//     connection itself.
//   - Any other net.Conn, and sockets on other systems: a goroutine for each
//     connection, which reads 4 KiB ahead.
//
// Handlers see no difference.
//
// # Order
//
// Handlers are called in the order in which their connections became readable,
// functions in the order in which they were handed to Call, and timers in the
// order of their times, those of one instant in the order in which they were
// set. So in simulated time a run repeats.
//
// # Limitations
//
// Reading only: a handler that writes must not block in it. On Linux a socket
// is known by its type, *net.TCPConn or *net.UnixConn; a wrapper around one is
// read through the wrapper, by a goroutine.
package reactor
