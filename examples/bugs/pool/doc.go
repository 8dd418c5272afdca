// Package pool is a pool of connections to a server that speaks lines of text. At
// most so many connections are taken from it at once; who wants another one waits.
//
// It tries a connection that was idle before it hands it out, and takes the next one
// if it is broken. With the bug it takes another place for that, and keeps that of the
// broken one. So each broken connection costs the pool a place, for ever; after a
// partition that breaks them all, everybody waits for places that nobody has.
package pool
