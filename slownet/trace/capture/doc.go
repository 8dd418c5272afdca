// Package capture turns traces into packet captures: pcapng files, which Wireshark and
// tshark open.
//
// If a trace has packets (events of kind [trace.Packet] and [trace.Arrive]), the capture
// shows them: their headers, the times at which they left, and their payload. For each
// connection without packets the capture makes plausible ones: a handshake at its dial, a
// segment for each piece that has arrived, an acknowledgment for each segment, FIN and
// RST. Payload that was not recorded is not invented: such frames are truncated.
//
// Each packet appears once, as it leaves, on an interface named after its sender. A lost
// packet appears, too, with a comment that gives the reason; for a pure acknowledgment
// the comment only says that it does not arrive. A retransmission has a comment that says
// "sent again". With [Options.Host] the capture shows what that host would capture: the
// packets that it sends, as they leave, and the packets that it receives, as they arrive.
//
// Wireshark detects retransmissions by their times, which works best in the sender's view.
// As in captures of real networks, it marks a retransmission that soon follows other
// segments, such as after selective acknowledgments, as out of order. The comment is always
// right.
//
// # Invented fields
//
// A trace does not contain everything that a frame has. The capture invents, always in
// the same way, Ethernet addresses, initial sequence numbers, the window scale and
// segment size options of a SYN, and the values of the timestamps option, which count
// milliseconds of the trace. If a trace has no packets, it also invents IP addresses,
// ports (61000 is the listener's), and the times of acknowledgments. The same trace
// always gives the same file.
//
// # Limitations
//
// All packets of the trace are in memory while the capture is written. A segment or
// datagram that does not fit into an IPv4 packet is shown as two segments, or truncated.
// If both ends of a connection without packets are on one host, the trace does not
// distinguish its directions: the capture guesses them from the offsets.
package capture
