// Package chrometrace writes traces in the Trace Event Format, JSON that Perfetto
// (ui.perfetto.dev) and chrome://tracing open.
//
// Processes are hosts, and threads are their connections. Bytes on their way are
// asynchronous slices of whoever has sent them, from when they left to when they arrived:
// of category "data" or, where packets were recorded, of category "packet" too. All else
// are instants: of the thread what happens to a connection, of the process what happens
// to a host, and of everybody faults. Where packets were recorded, a counter of each
// connection and host tells the congestion window.
//
// Times are microseconds, exact to the nanosecond, since the trace's start.
//
// The package's tests read each document as strictly as the format is described, and as
// Perfetto's importer of JSON wants it: all fields that a phase needs, and no others;
// each begin has its end with the same name, category and identifier, and no earlier;
// counters are numbers; processes and threads have names before they are used, and
// numbers above 0 that no two threads share. Perfetto itself does not run in them.
package chrometrace
