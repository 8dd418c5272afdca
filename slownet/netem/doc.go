// Package netem models slow, faulty networks without running on one: it imports
// no clock, no socket and no lock, and starts no goroutine. Packages slownet and
// simtest drive it: they hand it the time and what is sent, and learn when that
// arrives and when to call again. A lock around what goroutines share is theirs.
//
// # Links
//
// A [Link] describes one direction of a path: its latency and how much that
// varies, its rate, its queue, and how packets are lost, duplicated, corrupted
// and reordered. The zero Link passes everything at once. A [Profile] is a named
// path in both directions: [ProfileByName] knows those of well-known tools, such
// as "webpagetest/3g" and DevTools' "slow 3g", and [ParseProfile] reads yours.
//
// A [Line] is a link in use, and belongs to all that crosses it. A packet that
// is sent on it is lost or not (by one of netem's models, among them Gilbert and
// Elliott's); waits in the queue, or is dropped there; passes when those before
// it have, at the rate, or when mahimahi's recording of a real link says so;
// and arrives after the latency, which jitter varies. A path may lead over
// several lines, one after the other, each with its queue.
//
// A [PacketFlow] has the datagrams of a socket on a line. A [Flow] is an ideal
// stream: bytes never overtake each other, and none is lost, changed or
// duplicated, as TCP would not allow that. Faults of its packets cost time
// instead: a lost packet is retransmitted when the sender can have heard that
// three later ones have arrived (RFC 5681), or when the timer of RFC 6298 expires,
// and everything after it waits. When it arrives may depend on what is sent later:
// then it is Pending, and the driver asks [Flow.Step]. Streams on a line take turns, a packet each.
// Bytes in flight overlap: a hundred pieces over a link of 50 ms arrive after
// 50 ms, not after 5 s.
//
// # Queues
//
// A [Queue] holds so many packets or bytes. [FIFO] drops what finds it full,
// and its answers come at once: when a packet is sent, it is known when it
// leaves. With [CoDel] (RFC 8289) and [FQCoDel] (RFC 8290) that depends on what
// is sent later. There Send answers [Queued], and the driver calls Step when Next
// says so, which hands out what has left the queue or was dropped from it. What
// comes of a packet does not depend on how late the driver calls.
//
// # Chance
//
// What is random about a packet is a function of the line's seed and of the
// packet's name, its flow and its number there: a hash of the three, by integers
// alone, and so the same on every platform. One packet more or less changes
// nothing of the others' luck. States and correlations, which make losses come
// in bursts, follow the packets on the line in their order.
//
// # TCP
//
// An [End] is one end of a TCP connection, and a [Transfer] is both ends of one
// direction. They follow RFC 9293 with the defaults of Linux 6, where the RFCs leave
// a choice or Linux takes another one:
//
//   - Segments have 1,448 bytes, or what [End.SetMTU] allows, and 52 of headers, with
//     timestamps (RFC 7323).
//     SYNs and SYN-ACKs are sent again on the schedules of Linux 6.5 and later.
//   - The window begins with ten segments (RFC 6928) and grows by slow start (RFC
//     5681), which HyStart (Ha and Rhee, 2011) ends, and then as CUBIC (RFC 9438)
//     or [Reno] (RFC 5681) has it; less when the application sends less than
//     the window allows (RFC 7661). After an idle period it is smaller.
//   - Losses are found by selective acknowledgements (RFC 2018, 2883) with RACK and
//     tail loss probes (RFC 8985), and else by the retransmission timer (RFC
//     6298), which is 200 ms beyond the round trip at least and doubles up to 120 s.
//     The window is reduced in proportion (PRR, RFC 6937), and a reduction that
//     was needless is undone (RFC 3522, 3708).
//   - Acknowledgements are delayed by up to 40 ms, but for those at the beginning.
//     The receive window and the send buffer grow as Linux tunes them, to 6
//     and 4 MiB, and count what segments take in memory: at first a writer whose
//     data nobody acknowledges can write 46 KB with an MTU of 1,500, 331 KB with
//     9,000 and 2.6 MB with loopback's 65,536. A zero window is probed (RFC 9293,
//     section 3.8.6.1).
//   - A peer is given up after 15 to 18 minutes without an acknowledgement, or the
//     user timeout (RFC 5482), and a silent one when keep-alive probes (RFC
//     9293, section 3.8.4) stay unanswered.
//
// Transfer times over paths with a rate, a queue and random loss are tested
// against those of a real kernel; testdata has its figures.
//
// # Limitations
//
// A [Flow] has no congestion control: it uses the link's rate from the first byte
// on, and a lost packet does not slow down the packets after it. No queue drops
// its packets; its writer waits instead, see [Link.Ahead]. Whether a packet is
// lost, and how often, is decided when it is first sent, and its copies take their
// room on the link then; a copy is lost as often as packets are in the long run,
// whatever burst is on when it is decided. A retransmission that is lost is sent
// again by the timer alone, which is as long as when the packet was sent first, and
// doubles. The end of the stream is no packet that tells of a loss.
//
// Some of netem's arithmetic differs: a correlation leaves shares, mean and
// spread as they are (see [Chance] and [Jitter]); random loss has no
// correlation, reordering has no gap; a duplicate is not lost by itself; a
// reordered packet passes at the rate like all others. The jitter of a stream
// that has no rate and no loss is drawn once for each write. With a replay or a
// bottleneck, packets keep their order under jitter, and do not arrive at the
// rate after one that was late, as they do with a rate.
//
// CoDel and FQ-CoDel have the RFCs' parameters, which cannot be set: a target of
// 5 ms, an interval of 100 ms, 1,024 queues, a quantum of 1,514 bytes. Nothing
// is marked (ECN) instead of dropped. Streams that are ideal, and datagrams of
// links with another discipline on the same bottleneck, take turns with the
// queue, so that a packet may pass some ten milliseconds after CoDel has
// looked at it on a slow line.
//
// The TCP model has no F-RTO, no pacing, no segmentation offload, no compression of
// acknowledgements, no simultaneous open and no urgent data. Timers are exact,
// while Linux's are up to an eighth late. On queues of fewer than ten packets,
// transfers are faster than the kernel's, which sends in bursts there.
//
// The drivers use Ends, unless [TCP] asks them for ideal streams, with [Unlimited].
package netem
