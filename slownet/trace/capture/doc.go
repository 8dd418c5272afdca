// Package capture makes packet captures of traces: pcapng files, which Wireshark and
// tshark open.
//
// Where a trace has packets (events of kind [trace.Packet] and [trace.Arrive]), the
// capture shows these: what their headers say, when they left, and what they carried.
// Each connection without any gets packets that could have been: a handshake at its
// dial, a segment for each piece that has arrived, an acknowledgment for each, FIN and
// RST. Payload that was not recorded is not made up: such frames are captured short.
//
// Each packet is in the capture once, as it leaves, on an interface with its sender's
// name. A packet that was lost is there too, with a comment that says why, or only that it
// does not arrive, as of a mere acknowledgment; one that was sent again has a comment that
// says so. With [Options.Host] the capture is one host's:
// what it sends as it leaves, what it receives as it arrives.
//
// Wireshark guesses from times which packets were sent again, best in the view of their
// sender. Those that follow soon after others, as selective acknowledgments have them
// do, it takes for out of order, as in captures of real networks. The comment is right.
//
// # What is made up
//
// A trace does not have all that a frame has. Made up, always in the same way, are
// Ethernet addresses, initial sequence numbers, the options for windows and
// segment sizes of a SYN, and values of the timestamps option, which tell milliseconds
// of the trace. Where a trace has no packets, these are made up too: IP addresses, ports
// (61000 is the listener's), and the acknowledgments' times. The same trace always gives
// the same file.
//
// # Limitations
//
// All packets of the trace are in memory while it is written. A segment or datagram that
// no IPv4 packet has room for is shown as two segments or captured short. If both ends
// of a connection without packets are on one host, the trace does not tell its
// directions apart: they are guessed by the bytes' offsets.
package capture
