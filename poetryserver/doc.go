// Package poetryserver serves a poem, slowly.
//
// A [Server] sends its poem to every client at a [netem.Pace]: a number of
// bytes, a wait, the next bytes, and so on. Then it closes the connection.
// Unless it is concurrent, it serves one client at a time while the others wait,
// which is the point of the lesson. The server ignores bytes from the client; a
// client that keeps sending after the poem is finally reset.
//
// The server opens no socket and reads no system clock. It uses a net.Listener,
// from the net package or from a simulated host, and a clock. It is used like an
// http.Server: Serve, Shutdown, Close.
package poetryserver
