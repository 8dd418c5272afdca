// Package proxy is a proxy between clients and servers of any kind that impairs the network
// between them: it makes it slow or faulty, or gives it a link of package netem. It is the
// engine of the command slownet proxy, and can be embedded in a test:
//
//	server := &proxy.Server{Seed: 1}
//	defer server.Close()
//	p, err := server.Add(proxy.Config{Name: "db", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:5432"})
//	...
//	connect(p.Config().Listen)
//	_, err = p.AddToxic(proxy.Toxic{Toxicity: 1, Attributes: proxy.Latency{Latency: 300 * time.Millisecond}})
//
// A [Server] has proxies with names. A [Proxy] listens for TCP, UDP or on a Unix socket,
// connects each client to the upstream server, and hands bytes on in both directions:
// upstream, to the server, and downstream, to the client. Each direction ends by itself,
// and a reset by either end is passed on to the other. A [Toxic] impairs the bytes, as in
// Toxiproxy, whose API an [API] implements; a [Link] is a toxic that is a link of package
// netem. All of them can be changed while connections are in use, and these calls do not
// wait for the traffic of any connection.
//
// # Model
//
// All toxics except the link act on payload: a bandwidth of 100 KB/s passes 100,000 bytes
// per second, with no headers and no slow start. The bytes of a direction pass its toxics
// in the order in which the toxics were added. A latency holds up to 32 MiB; a bandwidth
// holds the bytes of 100 ms, or 16 KiB. Beyond that the sender has to wait. A toxic that is
// removed passes on at once the bytes that it holds.
//
// A [Link] is a path of package slownet between the proxy and the server: TCP in packets,
// with slow start, loss and queues. Connecting takes a round trip over it. Its random
// draws, like the draws of all toxics, follow from [Server.Seed].
//
// The datagrams of each client reach the server from a socket of its own. Message
// boundaries are preserved; a toxic without room drops datagrams.
//
// The events of connections can be recorded, see [Proxy.Record]. Package proxy/page has a
// page for a browser that shows and changes all of that through the API.
//
// # Cost
//
// Without toxics, the operating system copies bytes from socket to socket, by splice on
// Linux. On Linux a connection that has been idle for 50 ms has no goroutine, unless its
// toxics hold bytes; with a link it has one, for the direction from the server. On other
// systems each direction of a connection has a goroutine, which wakes up once a second.
// Each client of a datagram proxy has one on all systems.
//
// # Limitations
//
// Bytes that the operating system is copying when a toxic is added bypass the toxic; the
// call waits up to 100 ms for them. A server that answers a connect with neither an
// acceptance nor a refusal keeps its client waiting as long as the operating system tries.
// The reset of a half-closed connection is passed on at once on Linux, and at the next
// write elsewhere.
package proxy
