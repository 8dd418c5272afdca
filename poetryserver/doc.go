// Package poetryserver serves a poem, slowly.
//
// A [Server] sends its poem to everyone who connects, at the pace of a
// [netem.Pace]: so many bytes, a wait, so many bytes. Then it closes the
// connection. Unless it is concurrent it serves one client at a time, and the
// others wait: that is the lesson. The server ignores what a client sends; a
// client that keeps sending after the poem is reset eventually.
//
// The server knows no socket and no time of its own. It is handed a
// net.Listener, of the net package or of a simulated host, and a clock, and its
// life is that of an http.Server: Serve, Shutdown, Close.
package poetryserver
