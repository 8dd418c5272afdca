// Package netem models networks without running on one: it imports no clock, no
// socket and no lock, and starts no goroutine. Whoever drives it hands it the
// time and the packets that arrive, and asks what to send and when to come back.
//
// # TCP
//
// An [End] is one end of an established TCP connection. It follows RFC 9293 with
// what Linux 6 does by default: an initial window of ten segments (RFC 6928),
// slow start with HyStart, CUBIC (RFC 9438) or [Reno], limited growth when the
// application sends less than the window allows (RFC 7661), slow start after an
// idle period, selective acknowledgements with RACK and tail loss probes
// (RFC 2018, 2883, 8985), proportional rate reduction (RFC 6937), undo of
// needless reductions (RFC 3522, 3708), the retransmission timer of RFC 6298 with
// Linux's bounds, delayed and quick acknowledgements, and a receive window that
// is tuned to the rate at which the application reads.
//
// Transfer times over paths with a rate, a queue and random loss are held
// against those of a real kernel; testdata has its figures, and a test replays
// them.
//
// # Limitations
//
// There is no handshake and no close; the driver has them. There is no F-RTO, no
// pacing, no segmentation offload and no compression of acknowledgements. On
// queues of fewer than ten packets transfers are faster than the kernel's, which
// sends in bursts there.
//
// Packages slownet and simtest do not send their streams through it yet.
package netem
