// Package trace describes what happened on a network: events, one after another, and
// the files that hold them.
//
// An [Event] says what happened to which bytes of which connection, and when.
// Simulations (package simtest), wrapped connections (package slownet) and proxies all
// tell theirs in this form. Times are durations since the start of the trace: of a
// simulation its beginning, of a wrapped connection midnight UTC of 1970-01-01, so that
// time.Unix(0, int64(event.At)) is the time on the connection's clock.
//
// # Files
//
// A [Writer] writes events as JSON, one to a line, and a [Reader] reads them; both work
// in a bounded amount of memory. [Create] and [Open] do so for named files, compressed
// with gzip if the name ends in ".gz". The format is versioned: the first line is a
// [Header] with the version, the last one has the number of events and their digest. Of
// a file that was cut off or damaged a Reader returns all events before the damage, and
// then an error with the number of the line. docs/trace.md describes the format.
//
// # Digests
//
// A [Digest] is a number made of the events so far: equal digests, equal events. It
// covers At, Kind, From, To, Conn, Offset, Length, Hash and Note, and nothing else, so
// it does not depend on what else is recorded: neither Took nor Payload nor Packet
// change it.
//
// The package imports the standard library only. Packages below it make a page
// (trace/page), a packet capture (trace/capture) and a file for Perfetto
// (trace/chrometrace) of a trace.
package trace
