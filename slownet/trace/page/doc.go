// Package page draws traces: it makes a page for a browser that shows the events of a
// network as a space-time diagram.
//
// [WriteHTML] writes one self-contained HTML file. It loads nothing from a network:
// style, program and events are embedded, and the page's content security policy forbids
// everything else. The events are stored in columns, in compressed blocks, so that a
// million of them make a file of a few megabytes. They are written as they are read;
// memory is needed only for one block and for the names of hosts and connections.
//
// The page has a lane for each connection with two rails, one for the host that dialed it
// and one for the other. Bytes are lines from their departure to their arrival, so
// latency is a slope. Faults of hosts and of the network have lanes of their own. Several
// runs are stacked on one time scale. docs/seeing.md explains how to read and use the
// page.
//
// # Limitations
//
// If both ends of a connection are on one host, the trace does not say which end sent the
// bytes; they are drawn as if the dialed end had sent them.
//
// A browser's numbers are exact to the nanosecond within 104 days of the start of a run.
// Later parts of a longer run are drawn less exactly.
//
// The page needs a browser of 2023 or later (DecompressionStream).
package page
