// Package netem models networks without running on one: it imports no clock, no
// socket and no lock, and starts no goroutine. Its driver hands it the time and
// the packets that arrive, and asks what to send and when to call again.
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
// There is no F-RTO, no pacing, no segmentation offload, no compression of
// acknowledgements, no simultaneous open and no urgent data. Timers are exact,
// while Linux's are up to an eighth late. On queues of fewer than ten packets,
// transfers are faster than the kernel's, which sends in bursts there.
//
// Packages slownet and simtest do not send their streams through it yet.
package netem
