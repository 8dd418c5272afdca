// Package chrometrace writes traces in the Trace Event Format, JSON that Perfetto
// (ui.perfetto.dev) and chrome://tracing open.
//
// Processes are hosts, and threads are their connections. Bytes in flight are
// asynchronous slices of their sender, from departure to arrival: of category "data" or,
// if packets were recorded, also of category "packet". All other events are instants: of
// the thread for a connection, of the process for a host, and global events for faults. If
// packets were recorded, a counter for each connection and host shows the congestion
// window.
//
// Times are microseconds, exact to the nanosecond, since the trace's start.
//
// The package's tests check each document against the description of the format and the
// requirements of Perfetto's JSON importer: all fields that a phase needs, and no others;
// each begin has an end with the same name, category and identifier, and not before it;
// counters are numbers; processes and threads are named before they are used, and have
// numbers above 0 that no two threads share. The tests do not run Perfetto itself.
package chrometrace
