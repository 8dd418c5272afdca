// Package connpool finds a bug of a library from its public report:
// https://github.com/buraksezer/connpool/issues/4, "Factory failure drains
// available connection max from pool". Version 0.5.0 of github.com/buraksezer/connpool
// has the bug, and in 0.6.0 it is mended.
//
// When the function that connects fails, the pool keeps the place that it has taken
// for the connection. A server that is away for a while costs the pool a place with
// each attempt; when all are gone, it never connects again.
package connpool
