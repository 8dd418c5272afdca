// Package trace describes what happened on a network: events, one after another, and
// the files that hold them.
//
// An [Event] records what happened to which bytes of which connection, and when.
// Simulations (package simtest), wrapped connections (package slownet) and proxies all
// report their events in this form. Times are durations since the start of the trace. For
// a simulation that is its beginning, for a wrapped connection 1970-01-01 00:00 UTC, so
// that time.Unix(0, int64(event.At)) is the time on the connection's clock.
//
// # Files
//
// A [Writer] writes events as JSON, one per line, and a [Reader] reads them; both use a
// bounded amount of memory. [Create] and [Open] do so for named files, compressed with
// gzip if the name ends in ".gz". The format is versioned: the first line is a [Header]
// with the version, and the last line has the number of events and their digest. If a
// file is truncated or damaged, a Reader returns all events before the damage, and then
// an error with the number of the line. docs/trace.md describes the format.
//
// # Digests
//
// A [Digest] is a number computed from the events so far: equal digests mean equal
// events. It covers At, Kind, From, To, Conn, Offset, Length, Hash and Note, and nothing
// else. So it does not depend on what else is recorded: Took, Payload and Packet do not
// change it.
//
// The package imports only the standard library. Its subpackages turn a trace into a page
// (trace/page), a packet capture (trace/capture) and a file for Perfetto
// (trace/chrometrace).
package trace
