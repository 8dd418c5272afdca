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
// In the bubble, time stands still while anything runs and jumps when everything is
// blocked. So a test takes milliseconds, whatever durations it contains, and can assert
// them to the nanosecond. The clock starts at midnight UTC of 2000-01-01, or at
// [Config.Start]. Benchmarks call [Config.RunB]; programs that are not tests call
// [Main].
//
// # Hosts and links
//
// A host has a name, an IPv4 and an IPv6 address, any number of listeners and
// datagram sockets, a clock, a source of random numbers, and a resolver.
// [Host.Run] runs a program on it, and runs it again whenever the host is restarted;
// [Host.Go] starts a goroutine that ends with the host. Code that the test calls
// directly can use a host as well. From each host to each other host there is a link,
// as described by package netem. [Sim.SetLink] and [Sim.SetProfile] set the links of a
// pair of hosts, and [Config.Link] and [Sim.SetDefaultLink] those of all other pairs.
// Links may share a [netem.Bottleneck], which is idle when a simulation begins, and can
// change at any time. A host can also have an access line, which all its traffic
// shares: see [Host.SetAccess].
//
// # Connections
//
// A simulated connection behaves like a socket, and passes golang.org/x/net/nettest.
// Connecting takes a round trip. Data sent before a close arrives before the close.
// Each direction can be closed by itself. Closing with unread bytes resets the peer. A
// writer whose peer does not read blocks when the peer's receive buffer and its own
// send buffer are full; see [Config.Window]. Errors are the system's: a *net.OpError
// around ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT, EADDRINUSE or EHOSTUNREACH,
// net.ErrClosed, os.ErrDeadlineExceeded, and a *net.DNSError for a host that does not
// exist. A name resolves to two addresses; [Host.DialContext] says which of them are
// tried.
//
// Beyond net.Conn, connections have CloseRead, CloseWrite and SetLinger as TCP
// connections do, and TryRead and NotifyReadable for event loops that must not block.
// Over TCP, SetKeepAlive, SetKeepAlivePeriod, SetKeepAliveConfig, SetReadBuffer and
// SetWriteBuffer work; other options of TCP connections, such as SetNoDelay, can be
// set but have no effect. Datagram sockets have the methods of *net.UDPConn, except
// those that deal with files.
//
// All traffic from one host to another shares the link's rate and queue, whatever
// connection or socket it belongs to. It also shares the Up of the sender's access with
// traffic to other hosts, and the Down of the receiver's access with traffic from other
// hosts. For rate, queue and MTU, a datagram counts as many bytes as its payload: it
// has no headers.
//
// [Config.TCP] and [Host.SetTCP] select Linux's TCP or ideal streams (see
// [netem.Unlimited]). On an ideal stream, lost packets are retransmitted when three
// later packets have arrived and the sender has learned of it, or by the timer of RFC
// 6298, so a loss costs time; see [netem.Flow]. Packets lost in a partition are
// retransmitted by the timer.
//
// Over TCP, segments of 1,448 bytes plus 52 bytes of headers share the link with the
// acknowledgements of the other direction; a link's MTU changes the segment size, and
// the zero Link carries packets of 64 KiB, as loopback does. The model has slow start,
// congestion and receive windows, fast retransmit and the kernel's timers,
// retransmission of SYNs, and keep-alive probes. By default these begin after 15
// seconds, and there are nine of them: a reader whose peer has vanished gets ETIMEDOUT
// after 150 s. A writer waits when its send buffer is full, which grows as on Linux;
// [Config.Window] sets the size of this buffer and of the receive buffer. Losses cost a
// round trip or a timeout, as on a real network, and so do partitions. Packets that
// [Sim.Hold] or [Host.Pause] holds back arrive late; meanwhile TCP retransmits them or
// gives up. A trace has events for everything that is visible to users: bytes that
// arrive in order, and lost segments with data. It has none for acknowledgements and
// probes. Everything written at one instant is one write, however it is split into
// calls.
//
// # Recipes
//
// HTTP: use [Host.DialContext] as a transport's DialContext, and serve on the listener
// that [Host.Listen] returns. The hooks of net/http/httptrace are called for lookups
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
// Names: a [Resolver] answers without using the network. For lookups that cross the
// network, run a name server on a host and use a net.Resolver with PreferGo and a Dial
// that calls [Host.DialContext]; see its Example. A net.Resolver numbers its questions
// at random, so their bytes differ from run to run.
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
// All of them take effect before they return, and after everything else that happens
// at the same instant. [Sim.At] and [Sim.Every] schedule them. A fault that names an
// unknown host panics. Links and names may be set before their hosts are created. If a
// host is never created, the test fails when its function has ended, and the report
// gives the line of each such call.
//
// [Config.Chaos] draws such faults from the seed ([DefaultChaos] is a typical mix), and
// ends each of them; [Sim.Quiet] signals when all are over, after which a correct
// program recovers. The faults are data: a failure prints them, one per line, and a
// later run can be given this list instead of drawing it.
//
// # The same in every run
//
// The same seed gives the same run, event by event and byte by byte, on any
// number of processors and with the race detector, as long as
//
//   - hosts share nothing but the network, and
//   - no two goroutines of one host race each other at one instant: to read or
//     write the same connection, for example, or to dial the same address.
//
// Everything that crosses the network goes through one queue of events. After each
// event, the simulation waits until every goroutine is blocked again before it handles
// the next. What goroutines send in the meantime is first put in an order that does not
// depend on the scheduler: by host, by connection, and by the connection's own
// sequence. Bytes written to one connection between two events arrive as one piece,
// regardless of the calls, unless the link has packets: a rate, a pace, loss or jitter.
//
// When several goroutines wait on one connection, listener or socket, the one that has
// waited longest is served first. A deadline takes effect exactly at its instant, even
// if data arrives, or Close or SetDeadline is called, at the same instant. When a
// connection is reset, one call gets the error, as on Linux: of a reader and a writer,
// the reader gets ECONNRESET and the writer EPIPE; a seed may choose the writer instead,
// and then the reader gets io.EOF.
//
// Bugs hide where several things happen at one instant. With [Config.Seed] 0 they
// happen in the order of sending. Any other seed draws another order among connections,
// but never within one direction of a connection. It also draws the random effects of
// links: jitter, loss and so on. A test that runs with many seeds searches through
// these orders, and a run that fails prints its seed.
//
// [Search] runs many seeds on all processors, in separate processes, and groups the
// seeds that fail. It shrinks failures under a [Chaos], and writes replay files, which
// run first the next time. docs/exploring.md goes from a first test to a bug that a
// search has found.
//
// What the simulation cannot control, it can find: [CheckDeterminism] runs a
// simulation twice and shows the first event that differs, its bytes, and who wrote
// them. A difference means that something is random. Typical causes, and their
// remedies:
//
//   - Goroutines of one host that wake at one instant, by timers or when a lock
//     or channel is released: let them wait for different durations, or one for
//     the other.
//   - The order of a map, or of a select with several ready cases: sort, or
//     decide explicitly.
//   - math/rand/v2's global functions: use [Host.Rand].
//   - Random numbers that goroutines draw from one stream at one instant; see
//     below.
//   - Listeners, and sockets of ListenPacket, that several goroutines of one host
//     open on port 0 at one instant: it is random which gets which port. Open them
//     one after the other, or specify the port.
//   - Hosts that are created by several goroutines at one instant: their numbers
//     and addresses are in the order of creation. Create them first.
//   - Faults that several goroutines inject at one instant happen in the order of
//     their descriptions. If these are equal, as with calls of [Sim.At] on one line
//     of a program, the order is random.
//   - State of the process: a generator that a package seeds once, when it is
//     loaded (pion), a pool of random bytes (kfake), a counter or a cache that
//     lasts from one simulation to the next, and the process ID, which
//     go-sql-driver/mysql sends to its server.
//   - A [netem.Bottleneck] that is shared by simulations that run in parallel.
//   - Variables that goroutines of several hosts share. Reading results from such
//     variables at the end is safe after [Sim.Settle].
//
// The seed also decides the process's random numbers, unless the test is parallel or
// [Config.KeepRand] is set. Afterwards they come from the system again.
//
//   - crypto/rand.Reader gives each host a stream of its own, for the functions of
//     [Host.Run] and [Host.Go] and the goroutines that these start. All other
//     goroutines share one stream: the test's own, and time.AfterFunc's. So run
//     programs on hosts.
//   - math/rand's global functions are one stream for the process.
//   - On Go 1.26, the crypto packages draw their internal randomness from another
//     stream for the process, whatever reader they are given: for keys, signatures and
//     nonces, and hence for the key shares and certificates of TLS. On Go 1.25 this
//     randomness is not seeded.
//   - A reader that a package has kept since before the simulation, as
//     github.com/google/uuid keeps crypto/rand.Reader, uses the crypto packages' stream
//     too, and is not seeded on Go 1.25: in the simulation, call
//     uuid.SetRand(rand.Reader).
//
// # Many simulations in one process
//
// A timer or a channel that was created in a bubble works only there. If it is used
// outside, or in another bubble, the runtime ends the process: "select on synctest
// channel from outside bubble". While a goroutine in a bubble waits for a timer or a
// channel that was created outside, the bubble's time stands still. Libraries keep
// timers and channels for the whole process. Run takes care of two cases: garbage
// collections before and after each simulation empty every sync.Pool, and background
// work that the standard library starts once, for lookups and signals, is started
// before the first simulation. [Config.KeepPools] turns both off. The program has to
// handle the rest:
//
//   - A goroutine that a library starts at its first use and that never ends, such as
//     one that expires a cache, belongs to the first simulation, which then does not
//     end. Use the library once before any simulation, in TestMain.
//   - Timers and channels in global variables, or in pools other than sync.Pool,
//     must be created outside of a simulation and used only there, or be replaced in
//     each simulation. The same holds for http.DefaultTransport, whose idle connections
//     contain both: give each simulation a transport of its own.
//   - A finalizer or cleanup (runtime.SetFinalizer, runtime.AddCleanup) runs outside
//     of the bubble. If it uses a channel, as wireguard-go's queues do, a garbage
//     collection during or after the simulation ends the process. KeepPools
//     skips simtest's own collections; debug.SetGCPercent(-1) for the life of
//     the process stops the runtime's.
//   - A simulation in a parallel test shares pools with the tests that run at the
//     same time. If they use the same libraries, either may fail.
//
// # The end
//
// A simulation ends in an order that lets servers and clients shut down:
//
//   - f returns, and t.Context ends. All goroutines that this wakes run until they
//     block.
//   - The clean-ups of f's t run, the last one first, under the time limit. The
//     network is up, and time goes on: t.Cleanup(func() { server.Shutdown(ctx) })
//     shuts the server down, and a conn.Close returns no error.
//   - The contexts of programs end (see [Host.Run] and [Host.Go]), and so do the
//     calls of [Sim.At] and [Sim.Every]. Programs have [Config.Grace] to return, with
//     the network up, so a server that shuts down when its context ends still answers
//     earlier requests.
//   - When all have returned, or the grace is over, the network closes: listeners,
//     sockets and connections that are still open, without notifying their peers.
//
// A program may hold a lock that others want while it waits for its clients, as some
// servers do when they stop. Time stands still meanwhile, so the grace is over at once,
// and the network closes. (In a simulation of hundreds of goroutines, some such cases
// are missed.)
//
// Goroutines that still run a simulated minute later are reported, by host and with
// their places, and fail the test. A clean-up must not wait for a goroutine that only
// ends with the network, such as one in a server's Accept: close the listener in a
// clean-up.
//
// When everything is blocked forever, or something polls forever, time reaches
// [Config.TimeLimit]; the report then says who waits for what, and what is in flight.
// If a mutex keeps time from advancing, the report comes after a few seconds of real
// time.
//
// A simulation that fails or panics prints its seed, and how to run the test again. If
// it fails by t.Error, the test continues, so that a loop over seeds finds all that
// fail; if it fails by t.FailNow, in f or in a clean-up, or does not return, the test
// ends.
//
// # Seeing what happened
//
// A failure shows the last events before it ([Config.KeepEvents]) and what every
// connection was waiting for. [Config.Trace] receives each event as it happens, with
// the bytes if [Config.Payloads] asks for them, and each packet with [Config.Packets].
// [Config.Logger] logs faults and events, and [Host.Logger] is a logger for the
// programs of a host, with the simulated time. With the environment variable
//
//	SIMTEST_TRACE=folder
//
// each simulation that fails leaves its whole trace there, payloads included, and the
// failure prints how to make a page and a packet capture of it. A relative name is
// relative to the package's folder, where go test runs its tests. A trace is limited to
// a gigabyte before compression. To make TLS readable in the capture, use [Sim.KeyLog].
//
// # Limitations
//
//   - A bubble's rules apply: no t.Run, t.Parallel, t.Deadline or synctest.Wait
//     inside (use [Sim.Settle]), and nothing may wait for things outside, such as a
//     real socket or a channel that was created before: time stands still until that
//     wait ends. After ten seconds of real time without progress, the goroutines that
//     wait in this way are named on standard error, by host; the simulation continues
//     when the wait ends.
//   - Time stands still while any goroutine waits for a sync.Mutex or sync.RWMutex. A
//     goroutine that holds a lock that others wait for must not wait for the network
//     or for time, nor dial (UDP included), nor call a method of [Sim] or [Host] that
//     changes something: this stops everything forever. It is detected in real time.
//     When every goroutine of the simulation is blocked, and nothing outside can hold
//     the lock, the test fails after about three seconds and reports who waits where,
//     and who is likely to hold the lock. The runtime does not know the holder, so it
//     is guessed from the calls that goroutines are in. If a goroutine outside of the
//     simulation might hold the lock, the waiting goroutines are named after ten
//     seconds, and the test fails later: a minute after any goroutine outside was last
//     running, or shortly before the end of go test's -timeout. In your own code, use a
//     [Locker], which does not stop time. Reading the rest of a message is waiting for
//     the network, too, since TCP delivers a message that is larger than a segment in
//     parts.
//   - A tls.Conn holds a lock during its handshake, and waits for the network.
//     The handshake is part of the first Read or Write. If one goroutine reads and
//     another one writes, call Handshake or HandshakeContext before they begin.
//   - Connections are not of type *net.TCPConn, sockets not *net.UDPConn, and listeners
//     not *net.TCPListener: an assertion to those types fails. Use an interface to call
//     their methods, such as interface{ SetNoDelay(bool) error }.
//   - On ideal streams there is no congestion window and no TCP keep-alive: an end
//     that only reads does not notice that its peer has vanished.
//   - The HTTP/2 client of net/http, and gRPC, write a program's headers in the order
//     of a map: with two or more headers, the bytes of a request differ from run to
//     run, although their number does not.
//   - In HTTP/2 and gRPC, goroutines race, and the race decides the contents of each
//     write. If the link has only latency, that makes no difference. If it has packets,
//     or with TLS, which cuts writes into records, times are the same in every run, but
//     not every event is.
//   - Settings of testing/cryptotest.SetGlobalRandom have no effect in a simulation or
//     after it, unless [Config.KeepRand] is set.
//   - Lookups of names do not cross the network, and there are only address records.
//     There is no multicast, and no fragmentation of datagrams: a link with an MTU
//     drops larger ones.
//   - Code that calls the net package itself, instead of a Host's methods, gets real
//     sockets, which do not work in a bubble, unless the test is run with slownet test;
//     see docs/unmodified.md.
package simtest
