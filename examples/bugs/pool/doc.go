// Package pool is a pool of connections to a server with a protocol of text lines. A
// limited number of connections are in use at once; further callers wait.
//
// The pool checks an idle connection before it returns the connection, and takes the
// next one if the connection is broken. With the bug, the next connection takes another
// place, and the pool keeps the place of the broken connection. So each broken
// connection costs the pool a place permanently; after a partition that breaks all
// connections, all callers wait for places that no connection holds.
package pool
