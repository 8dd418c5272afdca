// Package netem models slow, faulty networks without running on one: it imports
// no clock, no socket and no lock, and starts no goroutine. Packages slownet
// and simtest drive it: they pass in the time and the packets or bytes to send,
// and get back arrival times and the time of the next call. They also lock
// whatever goroutines share.
//
// # Links
//
// A [Link] describes one direction of a path: its latency and jitter, its rate,
// its queue, and how packets are lost, duplicated, corrupted and reordered. The
// zero Link passes everything at once. A [Profile] is a named path in both
// directions: [ProfileByName] knows the profiles of well-known tools, such as
// "webpagetest/3g" and DevTools' "slow 3g", and [ParseProfile] reads your own.
//
// A [Line] is a link in use, shared by everything that crosses it. A packet
// sent on it may be lost (by one of netem's models, such as Gilbert-Elliott).
// Otherwise it waits in the queue or is dropped there, is serialized after the
// packets before it, at the rate or at the times in a mahimahi recording of a
// real link, and arrives after the latency, which jitter varies. A path may cross
// several lines in succession, each with its own queue.
//
// A [PacketFlow] is the datagrams of one socket on a line. A [Flow] is an ideal
// stream: as with TCP, its bytes are never reordered, lost, changed or
// duplicated. Faults of its packets cost time instead: a lost packet is
// retransmitted when the sender can know that three later packets have arrived
// (RFC 5681), or when the timer of RFC 6298 expires, and everything after it
// waits. The arrival time may depend on later packets; the piece is then Pending,
// and the driver asks [Flow.Step]. Streams on a line take turns, one packet at a
// time. Bytes in flight overlap: a hundred pieces over a link of 50 ms arrive
// after 50 ms, not after 5 s.
//
// # Queues
//
// A [Queue] holds a limited number of packets or bytes. [FIFO] is drop-tail,
// and its answer is immediate: when a packet is sent, its departure time is
// known. With [CoDel] (RFC 8289) and [FQCoDel] (RFC 8290) the departure time
// depends on later packets. Send then returns [Queued], and the driver calls Step
// when Next says so; Step returns the packets that have left the queue or were
// dropped from it. The outcome is the same if the driver calls late.
//
// # Chance
//
// Every random decision about a packet is a hash of the line's seed, the
// packet's flow and its number in that flow. The hash uses integers only, so it
// is the same on every platform. Adding or removing a packet does not change the
// draws of the others. Loss states and correlations, which make losses come in
// bursts, do depend on the packets on the line and their order.
//
// # TCP
//
// An [End] is one end of a TCP connection, and a [Transfer] is both ends of one
// direction. They follow RFC 9293, and Linux 6 where the RFCs leave a choice or
// Linux differs:
//
//   - Segments have 1,448 bytes, or what [End.SetMTU] allows, and 52 of headers, with
//     timestamps (RFC 7323).
//     SYNs and SYN-ACKs are retransmitted on the schedules of Linux 6.5 and later.
//   - The window begins with ten segments (RFC 6928) and grows by slow start (RFC
//     5681), which HyStart (Ha and Rhee, 2011) ends, and then as CUBIC (RFC 9438)
//     or [Reno] (RFC 5681) says; more slowly when the application sends less than
//     the window allows (RFC 7661). After an idle period it is smaller.
//   - Losses are found by selective acknowledgements (RFC 2018, 2883) with RACK
//     and tail loss probes (RFC 8985), and otherwise by the retransmission timer
//     (RFC 6298), which is at least 200 ms longer than the round trip and doubles
//     up to 120 s. The window is reduced in proportion (PRR, RFC 6937), and a
//     reduction that was spurious is undone (RFC 3522, 3708).
//   - Acknowledgements are delayed by up to 40 ms, except at the beginning.
//     The receive window and the send buffer grow as Linux tunes them, to 6 MiB (the
//     maximum up to Linux 6.15; 32 MiB since then) and 4 MiB, and count the memory that segments take: at first a writer whose data
//     is not acknowledged can write 46 KB with an MTU of 1,500, 331 KB with 9,000
//     and 2.6 MB with loopback's 65,536. A zero window is probed (RFC 9293,
//     section 3.8.6.1).
//   - A peer is given up after 15 to 18 minutes without an acknowledgement, or the
//     user timeout (RFC 5482), and a silent peer when keep-alive probes (RFC
//     9293, section 3.8.4) stay unanswered.
//
// Transfer times over paths with a rate, a queue and random loss are tested
// against a real kernel's; testdata has its figures.
//
// # Limitations
//
// A [Flow] has no congestion control: it uses the link's rate from the first
// byte on, and a lost packet does not slow down the packets after it. No queue
// drops its packets; its writer waits instead, see [Link.Ahead]. All losses of a
// packet are decided when it is first sent, and its retransmissions occupy the
// link at that time. A retransmission is lost with the long-run loss probability,
// regardless of any burst at the time of the decision. A lost retransmission is
// recovered by the timer alone. The timer starts at the value that it had when
// the packet was first sent, and doubles. The end of the stream is not a packet
// that can reveal a loss.
//
// Some of netem's arithmetic differs: a correlation does not change
// probabilities, mean and spread (see [Chance] and [Jitter]); random loss has
// no correlation, reordering has no gap; a duplicate is not lost by itself; a
// reordered packet is serialized at the rate like all others. The jitter of a
// stream that has no rate and no loss is drawn once for each write. With a
// replay or a bottleneck, packets keep their order under jitter, but packets
// after a late one are not spaced at the rate, as they are with a rate.
//
// CoDel and FQ-CoDel have the RFCs' parameters, which cannot be set: a target
// of 5 ms, an interval of 100 ms, 1,024 queues, a quantum of 1,514 bytes.
// Nothing is marked (ECN) instead of dropped. Ideal streams, and datagrams of
// links with another discipline on the same bottleneck, take turns with the
// queue, so on a slow line a packet may leave about ten milliseconds after
// CoDel has examined it.
//
// The TCP model has no BBR, no F-RTO, no pacing, no segmentation offload, no
// SACK compression, no simultaneous open and no urgent data. Timers are exact;
// Linux's are up to an eighth late. On queues of fewer than ten packets,
// transfers can be much faster than the kernel's, which sends in bursts there.
//
// The drivers use Ends, unless [TCP] asks for ideal streams with [Unlimited].
package netem
