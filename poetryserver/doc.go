// Package poetryserver serves a poem, slowly.
//
// A [Server] sends its poem to every client, at a [netem.Pace]: so many bytes, a
// wait, so many bytes. Then it closes the connection. Unless it is concurrent it
// serves one client at a time, and the others wait: that is the point of the
// lesson. The server ignores the client's bytes; a client that keeps sending
// after the poem is reset in the end.
//
// The server opens no socket and reads no system clock. It gets a net.Listener,
// of the net package or of a simulated host, and a clock. It is used like an
// http.Server: Serve, Shutdown, Close.
package poetryserver
