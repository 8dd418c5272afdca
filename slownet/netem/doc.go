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
// A [Flow] is a stream on its way over a link, and a [PacketFlow] the datagrams
// of a socket. Bytes in flight overlap: a hundred pieces over a link of 50 ms
// arrive after 50 ms, not after 5 s. Bytes of a stream never overtake each
// other, and none is lost, changed or duplicated, as TCP would not allow that.
// Faults of their packets cost time instead: a lost packet is retransmitted
// when the timer of RFC 6298 expires, and everything after it waits. Datagrams
// are treated as a network treats them.
//
// The parameters are those of tc netem, mahimahi and Gilbert and Elliott's model
// of loss. What is random follows from a seed: the same seed gives the same
// sequence on every platform.
//
// # TCP
//
// An [End] is one end of a TCP connection. It follows RFC 9293 with the
// defaults of Linux 6: its schedules of SYN and SYN-ACK, an initial window of
// ten segments (RFC 6928), slow start with HyStart, CUBIC (RFC 9438) or [Reno],
// limited growth when the application sends less than the window allows (RFC
// 7661), slow start after an idle period, selective acknowledgements with RACK
// and tail loss probes (RFC 2018, 2883, 8985), proportional rate reduction (RFC
// 6937), undo of needless reductions (RFC 3522, 3708), the retransmission timer
// of RFC 6298 with Linux's bounds, giving up after some 15 minutes or the user
// timeout (RFC 5482), delayed and quick acknowledgements, a receive window that
// is tuned to the rate at which the application reads, window probes,
// keep-alive, and the states of closing.
//
// Transfer times over paths with a rate, a queue and random loss are tested
// against those of a real kernel; testdata has its figures.
//
// # Limitations
//
// A [Flow] has no congestion control: it uses the link's rate from the first byte
// on, and a lost packet does not slow down the packets after it. Retransmissions
// are timed, and never triggered by duplicate acknowledgements. Whether a packet
// is lost, and how often, is decided when it is first sent; a copy is lost as
// often as packets are in the long run, whatever burst is on when it is decided.
//
// Some of netem's arithmetic differs: a correlation leaves shares, mean and
// spread as they are (see [Chance] and [Jitter]); random loss has no
// correlation, reordering has no gap; a duplicate is not lost by itself; a
// reordered packet passes at the rate like all others. The jitter of a stream
// that has no rate and no loss is drawn once for each write.
//
// The TCP model has no F-RTO, no pacing, no segmentation offload, no compression of
// acknowledgements, no simultaneous open and no urgent data. Timers are exact,
// while Linux's are up to an eighth late. On queues of fewer than ten packets,
// transfers are faster than the kernel's, which sends in bursts there.
//
// The drivers send their streams over a [Flow]. None drives an [End] yet.
package netem
