// Package page draws traces: it makes a page for a browser that shows what happened on a
// network as a space-time diagram.
//
// [WriteHTML] writes one self-contained HTML file. It loads nothing from a network: style,
// program and events are inside, and a policy in the page forbids everything else. The
// events are stored in columns, in compressed blocks, so that a million of them make a
// file of a few megabytes; they are written as they are read, and memory is needed for
// one block and for the names of hosts and connections only.
//
// The page has a lane for each connection with two rails, one for the host that dialed it
// and one for the other. Bytes are lines from the moment they leave to the moment they
// arrive, so latency is a slope. What was done to hosts and to the network has lanes of
// its own. Several runs stand above each other on one time scale. docs/seeing.md says how
// to read and use it.
//
// # Limitations
//
// An event of a host with itself does not say which end sent the bytes; they are drawn as
// if the end that was dialed had.
//
// A browser's numbers are exact to the nanosecond within 104 days of the start of a run.
// Of a longer run the rest is drawn less exactly.
//
// The page needs a browser of 2023 or later (DecompressionStream).
package page
