// Package proxy is a proxy between clients and servers of any kind that makes the
// network between them bad: slow, broken, or one of package netem's. It is the engine of
// the command slownet proxy, and can be embedded in a test:
//
//	server := &proxy.Server{Seed: 1}
//	defer server.Close()
//	p, err := server.Add(proxy.Config{Name: "db", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:5432"})
//	...
//	connect(p.Config().Listen)
//	_, err = p.AddToxic(proxy.Toxic{Toxicity: 1, Attributes: proxy.Latency{Latency: 300 * time.Millisecond}})
//
// A [Server] has proxies, by name. A [Proxy] listens for TCP, UDP or on a Unix socket,
// connects each client to the upstream server, and hands bytes on in both directions:
// upstream, to the server, and downstream, to the client. Each direction ends by itself,
// and a reset of either end is one of the other. A [Toxic] does something bad to the
// bytes, in the sense of Toxiproxy, whose API an [API] answers, and a [Link] is one of
// the model. All can be changed while connections are in use, by calls that wait for
// none of them.
//
// # Model
//
// Toxics but for the link are about payload: a bandwidth of 100 KB/s passes 100,000
// bytes per second, with no headers and no slow start. The bytes of a direction pass
// its toxics one after another, in the order in which these were added. A stage holds up
// to 32 MiB of a latency, and 100 ms of a bandwidth or 16 KiB; beyond that the sender
// has to wait. A toxic that is removed hands on at once what it holds.
//
// A [Link] is a path of package slownet between the proxy and the server: TCP in
// packets, with slow start, loss and queues. Connecting takes a round trip over it. Its
// draws, and those of all toxics, follow from [Server.Seed].
//
// Datagrams of a client come from a socket of its own to the server. They keep their
// bounds; a toxic that has no room drops them.
//
// What happens to the bytes of connections can be recorded, see [Proxy.Record]. Package
// proxy/page has a page for a browser that shows and sets all of that over the API.
//
// # Cost
//
// Without toxics, the operating system copies bytes from socket to socket, by splice on
// Linux. On Linux a connection that is idle, for 50 ms or more, has no goroutine, with
// toxics too unless they hold bytes; a link between has one, for the direction from the
// server. On other systems each direction of a connection has one, which wakes up once
// a second, and each client of a proxy of datagrams has one everywhere.
//
// # Limitations
//
// The bytes that the operating system is copying when a toxic is added go their old way;
// the call waits up to 20 ms for them. A server that does not answer at all, neither
// with a connection nor with a refusal, keeps its client waiting as long as the
// operating system tries. A half-closed connection that is then reset is told as one
// to the other end at once on Linux, elsewhere at the next write.
package proxy
