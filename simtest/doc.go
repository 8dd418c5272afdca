// Package simtest runs real network code on a simulated network in simulated
// time, the same in every run.
//
// [Run] starts a testing/synctest bubble with an in-memory network in it. Code
// under test gets its listeners, connections and sockets from a [Host] instead
// of the net package; nothing else about it changes:
//
//	simtest.Run(t, func(t *testing.T, sim *simtest.Sim) {
//		poet, reader := sim.Host("poet"), sim.Host("reader")
//		sim.SetLink("poet", "reader", netem.Link{Latency: 300 * time.Millisecond})
//
//		listener, err := poet.Listen("tcp", ":10000")
//		...
//		conn, err := reader.DialContext(t.Context(), "tcp", "poet:10000")
//		...
//	})
//
// In the bubble time stands still while anything runs and jumps when everything
// waits, so a test takes milliseconds whatever its durations, and may assert
// them to the nanosecond. The clock begins at midnight UTC of 2000-01-01, or when
// [Config.Start] says. A benchmark calls [Config.RunB], a program that is no test
// calls [Main].
//
// # Hosts and links
//
// A host has a name, an IPv4 and an IPv6 address, any number of listeners and
// of sockets for datagrams, a clock, a source of random numbers, and a resolver.
// [Host.Run] runs a program on it, and again whenever the host is restarted;
// [Host.Go] starts a goroutine that ends with the host. Code that the test
// calls directly may use a host as well. From each host to each other there is
// a link, as package netem describes it, with [Sim.SetLink],
// [Sim.SetProfile], or [Config.Link] and [Sim.SetDefaultLink] for all others.
// Links may share a [netem.Bottleneck], which is idle when a simulation
// begins, and change at any time. A host can have an access besides, by
// [Host.SetAccess]: a line to the rest of the world, which all of its peers share.
//
// # Connections
//
// A simulated connection owes its user what a socket does. It passes
// golang.org/x/net/nettest. To connect takes a round trip. What was sent before
// a close arrives before it. Each direction can be closed by itself. To close
// with bytes unread resets the peer. A writer whose peer does not read blocks
// when the peer's receive buffer and its own send buffer are full; see
// [Config.Window]. Errors are those of the system: a *net.OpError around
// ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT, EADDRINUSE or EHOSTUNREACH,
// net.ErrClosed, os.ErrDeadlineExceeded, and a *net.DNSError for a host that does
// not exist. A name stands for two addresses; which of them are tried is told at
// [Host.DialContext].
//
// Beyond net.Conn they have CloseRead and CloseWrite, SetLinger as TCP
// connections do, and TryRead and NotifyReadable for event loops that must not
// block. Over TCP, SetKeepAlive, SetKeepAlivePeriod, SetKeepAliveConfig, SetReadBuffer
// and SetWriteBuffer do what they say; other options of TCP connections can be set,
// such as SetNoDelay, and change nothing. Sockets for datagrams have the methods of
// *net.UDPConn, but those that deal in files.
//
// All that one host sends to another shares the link's rate and queue, whatever
// connection or socket it is of. On its way to others it shares the Up of its host's
// access, and with what comes from others the Down of the receiver's. A datagram counts
// as many bytes as its payload has, to rate, queue and MTU: it has no headers.
//
// Connections are TCP as Linux has it, or ideal streams, see [netem.Unlimited]:
// [Config.TCP] and [Host.SetTCP] decide. On an ideal stream, what a link loses is
// sent again when three later packets have arrived and the sender has heard of it, or
// by the timer of RFC 6298, and costs time; see [netem.Flow]. So does what a partition
// loses, which is sent again by the timer.
//
// Over TCP segments of 1,448 bytes and 52 of headers share the link with the
// acknowledgements of the other direction; a link's MTU changes the former, and
// zero links carry packets of 64 KiB, as loopback does. There are slow start, congestion and
// receive windows, fast retransmit and the timers of the kernel, SYNs that are
// sent again, and probes of a silent peer, by default after 15 seconds, of which
// nine are sent: a reader whose peer has vanished gets ETIMEDOUT after 150 s. A
// writer waits when its send buffer is full, which grows as Linux's does;
// [Config.Window] sets the size of this and of the receive buffer. Losses cost a
// round trip or a time-out, as on the real network, and so do partitions. What a
// [Sim.Hold] or [Host.Pause] keeps is late, and TCP sends it again or gives up.
// A trace has an event for what users see: bytes that arrive in order, and
// segments with bytes that are lost; it has none for acknowledgements and probes.
// What is written at one instant is one write, wherever it is cut.
//
// # Recipes
//
// HTTP: [Host.DialContext] is a transport's DialContext, and a server serves what
// [Host.Listen] returns. The hooks of net/http/httptrace are called for lookups
// and connections.
//
// gRPC looks up names itself, by the real resolver, unless the target says
// passthrough:
//
//	grpc.NewClient("passthrough:///server:50051",
//		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
//			return host.DialContext(ctx, "tcp", address)
//		}))
//
// The complete Example is in the folder examples/grpc.
//
// Names: a [Resolver] answers without the network. For lookups that cross it,
// run a name server on a host and use a net.Resolver with PreferGo and a Dial
// that calls [Host.DialContext]; see its Example. A net.Resolver numbers its
// questions at random, so their bytes differ from run to run.
//
// # Faults
//
// Networks: [Sim.Partition], [Sim.PartitionOneWay] and [Sim.Heal]; [Sim.Hold]
// and [Sim.Release]; [Sim.Reset] and [Sim.ResetConn]; [Sim.Refuse],
// [Sim.Blackhole] and [Sim.Allow]; [Sim.SetName]. Machines: [Host.Crash], as if
// the power was cut; [Host.Kill], after which the machine still answers; and
// [Host.Restart], which runs the programs of [Host.Run] again; [Host.Pause] and
// [Host.Resume]; [Host.SetSkew].
//
// All of them take effect before they return, and behind all else that happens
// at the same instant. [Sim.At] and [Sim.Every] make a script of them. A fault
// that names an unknown host panics. Links and names may be set before their
// hosts are created. If a host is never created, the test fails when its
// function has ended, and the report gives the line of each such call.
//
// [Config.Chaos] draws such faults from the seed, [DefaultChaos] a usual mix of
// them, and ends each in its time; [Sim.Quiet] tells when all are over, and a
// correct program recovers. The faults are data: a failure tells them, a line each,
// and they can be given instead of being drawn.
//
// # The same in every run
//
// The same seed gives the same run, event by event and byte by byte, on any
// number of processors and under the race detector, as long as
//
//   - hosts share nothing but the network, and
//   - no two goroutines of one host race each other at one instant: to read or
//     write the same connection, say, or to dial the same address.
//
// Everything that crosses the network goes through one queue of events. One
// happens, then the simulation waits until every goroutine is blocked again,
// then comes the next. What goroutines send in the meantime is put in an order
// that does not depend on the scheduler before it is looked at: by host, by
// connection, by the connection's own sequence. What is written on one connection
// between two events arrives as one, however it was cut, unless the link has
// packets: a rate, a pace, loss or jitter.
//
// When several goroutines wait on one connection, listener or socket, the one
// that has waited longest is served first. A deadline takes effect at its very
// instant, even if data arrives, or Close or SetDeadline is called, at the same
// instant. When a connection is reset, one call gets the error, as on Linux: of
// a goroutine that reads it and one that writes it, the reader gets ECONNRESET
// and the writer EPIPE; a seed may decide for the writer, and then the reader
// gets io.EOF.
//
// Bugs hide where things happen at one instant. With [Config.Seed] 0 they happen
// in the natural order, that of sending. Any other seed draws another order
// among connections, never within the direction of one, besides what links
// leave to chance: jitter, loss and the like. A test that runs with many seeds
// searches through the orders, and one that fails says with which.
//
// [Search] runs them on all processors, in processes of their own, and groups those
// that fail. It makes failures under a [Chaos] smaller, and writes replay files, which
// run first the next time. docs/exploring.md goes from a first test to a bug that a
// search has found.
//
// What the simulation cannot control, it can find: [CheckDeterminism] runs a
// simulation twice and shows the first event that differs, its bytes, and who
// wrote them. Then something depends on chance. These things do, with their
// remedies:
//
//   - Goroutines of one host that wake at one instant, by timers or when a lock
//     or channel is released: let them wait for different durations, or one for
//     the other.
//   - The order of a map, or of a select with several ready cases: sort, or
//     decide.
//   - math/rand/v2's global functions: use [Host.Rand].
//   - Random numbers that goroutines draw from one stream at one instant; see
//     below.
//   - Listeners, and sockets of ListenPacket, that several goroutines of one host
//     open on port 0 at one instant: which gets which port. Open them one after
//     the other, or say which port.
//   - Hosts that are created by several goroutines at one instant: their numbers
//     and addresses are in the order of creation. Create them first.
//   - Faults that several goroutines have in store for one instant happen in the
//     order of what they say. Where that is the same, as with calls of [Sim.At]
//     on one line of a program, it is left to chance.
//   - What the process keeps: a generator that a package seeds once, when it is
//     loaded (pion), a pool of random bytes (kfake), a counter or a cache that goes
//     on from one simulation to the next, and the process's id, which
//     go-sql-driver/mysql sends to its server.
//   - A [netem.Bottleneck] that simulations share which run in parallel.
//   - Variables that goroutines of several hosts share. To read at the end what
//     they have noted is safe after [Sim.Settle].
//
// The seed also decides the process's random numbers, unless the test is
// parallel or [Config.KeepRand] is set. Afterwards they come from the system
// again.
//
//   - crypto/rand.Reader gives each host a stream of its own: to what [Host.Run]
//     and [Host.Go] run and to the goroutines that they start. All other
//     goroutines share one: the test's own, and those of time.AfterFunc. So run
//     programs on hosts.
//   - math/rand's global functions are one stream for the process.
//   - So is, on Go 1.26, what the crypto packages draw inside themselves, whatever
//     reader they are given: for keys, signatures and nonces, and hence for the key
//     shares and the certificates of TLS. On Go 1.25 that is not seeded.
//   - A reader that a package has kept since before the simulation, as
//     github.com/google/uuid keeps crypto/rand.Reader, is that one stream as well,
//     and on Go 1.25 not seeded: in the simulation, call uuid.SetRand(rand.Reader).
//
// # Many simulations in one process
//
// A timer or a channel that was made in a bubble works only there. When it is
// used outside, or in another bubble, the runtime ends the process: "select on
// synctest channel from outside bubble". While a goroutine in a bubble waits
// for one that was made outside, the bubble's time stands still. Libraries keep
// timers and channels for the whole process. Run takes care of two kinds:
// garbage collections before and after each simulation empty every sync.Pool,
// and what the standard library starts once, for lookups and signals, is
// started before the first simulation. [Config.KeepPools] turns that off. The
// rest is the program's:
//
//   - What a library starts at its first use and never ends, such as the goroutine
//     that expires a cache, belongs to the simulation that comes first, which then
//     does not end. Use the library once before any simulation, in TestMain.
//   - Timers and channels in global variables, or in pools that are no sync.Pool,
//     must be made outside of a simulation and used only there, or be replaced in
//     each. The same holds for http.DefaultTransport, whose idle connections are
//     made of both: give each simulation a transport of its own.
//   - A finalizer or cleanup (runtime.SetFinalizer, runtime.AddCleanup) runs outside
//     of the bubble. If it uses a channel, as wireguard-go's queues do, a garbage
//     collection during or after the simulation ends the process. KeepPools
//     skips simtest's own collections; debug.SetGCPercent(-1) for the life of
//     the process stops the runtime's.
//   - A simulation in a parallel test shares pools with the tests that run
//     beside it. If they use the same libraries, either may fail.
//
// # The end
//
// A simulation ends in an order that servers and clients can live with:
//
//   - f returns, and t.Context ends. All that this wakes goes as far as it can.
//   - The clean-ups of f's t are done, the last one first, under the time limit. The
//     network is up, and time goes on: t.Cleanup(func() { server.Shutdown(ctx) })
//     shuts the server down, and a conn.Close returns no error.
//   - The contexts of programs end, see [Host.Run] and [Host.Go], and the calls of
//     [Sim.At] and [Sim.Every]. Programs have [Config.Grace] to return, with the network up, so
//     a server that shuts down when its context ends answers what it was asked
//     before.
//   - When all have returned, or the grace is over, the network closes: listeners,
//     sockets and connections that are still open, without a word to their peers.
//
// A program may hold a lock that others want while it waits for its clients, as
// some servers do when they stop. Time stands still meanwhile, so the grace is
// over at once, and the network closes. (In a simulation of hundreds of
// goroutines, some such cases are missed.)
//
// Goroutines that still run a simulated minute later are reported, host by host
// and with their places, and fail the test. A clean-up must not wait for a
// goroutine that only ends with the network, such as one in a server's Accept:
// close the listener in a clean-up.
//
// When everything is blocked for ever, or something polls for ever, time gets to
// [Config.TimeLimit]: then the report is about who waits for what, and what is in
// flight. Where a mutex keeps time from going on, the report comes after a few
// seconds of real time.
//
// A simulation that fails, or panics, says with which seed, and how to run the
// test again. One that fails by t.Error lets the test go on, so that a loop over
// seeds finds all that fail; one that fails by t.FailNow, in f or in a clean-up,
// or does not return, ends the test.
//
// # Seeing what happened
//
// A failure shows the last events before it ([Config.KeepEvents]) and what every
// connection waited for then. [Config.Trace] is told each event as it happens, with the
// bytes themselves if [Config.Payloads] asks for them, and each packet with
// [Config.Packets]. [Config.Logger] logs faults and events, and [Host.Logger] is a logger
// for the programs of a host, with the simulated time. With the environment variable
//
//	SIMTEST_TRACE=folder
//
// each simulation that fails leaves its whole trace there, payloads included, and the
// failure says how to make a page and a packet capture of it. A relative name is relative
// to the package's folder, where go test runs its tests. A trace has a gigabyte at most
// before it is compressed. For TLS to be readable in the capture, use [Sim.KeyLog].
//
// # Limitations
//
//   - A bubble's rules hold: no t.Run, t.Parallel, t.Deadline or synctest.Wait
//     inside (use [Sim.Settle]), and nothing may wait for what lives outside,
//     such as a real socket or a channel that was made before: time stands still
//     until that comes. After ten seconds of real time in which nothing goes on,
//     the goroutines that wait so are named on standard error, by host; the
//     simulation goes on when what they wait for comes.
//   - Time stands still while anyone waits for a sync.Mutex or sync.RWMutex. A
//     goroutine that waits for the network or for time, or dials, be it by UDP, or
//     calls a method of [Sim] or [Host] that changes something, while it holds a
//     lock that others wait for, stops everything for ever. This is found in real
//     time: when every goroutine of the simulation is blocked, and nobody outside
//     can have the lock, the test fails after three seconds or so with who waits
//     where, and with who is likely to hold the lock: the runtime does not know, so
//     that is guessed from the calls that goroutines are in. When someone outside
//     of the simulation might have it, the waiting goroutines are named after ten
//     seconds, and the test fails later: a minute after the last one of those
//     outside was running, or shortly before the end of go test's -timeout. In code
//     of your own, a [Locker] does not stop time. Reading the rest of a message
//     under a lock is a case of this, as TCP delivers a message that is larger than
//     a segment in parts.
//   - A tls.Conn holds a lock during its handshake, and waits for the network.
//     The handshake is part of the first Read or Write. If one goroutine reads and
//     another one writes, call Handshake or HandshakeContext before they begin.
//   - Connections are no *net.TCPConn, sockets no *net.UDPConn, and listeners no
//     *net.TCPListener: an assertion to those types fails. Their methods can be
//     reached by an interface, such as interface{ SetNoDelay(bool) error }.
//   - On ideal streams there is no congestion window and no TCP keep-alive: an end
//     that only reads does not notice that its peer has vanished.
//   - net/http's client of HTTP/2 and gRPC write the headers that a program sets in
//     the order of a map: with two or more, the bytes of a request are not the same
//     in every run, though their number is.
//   - HTTP/2 and gRPC have goroutines that race for what goes into one write. Where
//     the link has only latency, that makes no difference. Where it has packets, or
//     with TLS, whose records it cuts, times are the same in every run, and not
//     every event.
//   - What a test has set with testing/cryptotest.SetGlobalRandom does not hold in
//     a simulation, nor after it, without [Config.KeepRand].
//   - Lookups of names do not cross the network, and there are no records but of
//     addresses. There is no multicast, and no fragmentation of datagrams but by
//     the MTU of a link, which drops them.
//   - Code that calls the net package itself, instead of what it is given, gets
//     real sockets, which do not work in a bubble.
package simtest
