// Package pool is a pool of connections to a server with a protocol of text lines. A
// limited number of connections are in use at once; further callers wait.
//
// It checks a connection that was idle before it returns it, and takes the next one if
// it is broken. With the bug it takes another place for that, and keeps the place of
// the broken one. So each broken connection costs the pool a place permanently; after
// a partition that breaks all of them, all callers wait for places that no connection
// holds.
package pool
