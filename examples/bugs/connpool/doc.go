// Package connpool finds a bug of a library that is known from its public report:
// https://github.com/buraksezer/connpool/issues/4, "Factory failure drains available
// connection max from pool". Version 0.5.0 of github.com/buraksezer/connpool has the
// bug, and 0.6.0 fixes it.
//
// When the function that connects fails, the pool keeps the place that it has reserved
// for the connection. While a server is unreachable, each attempt costs the pool a
// place; when no place is left, it never connects again.
package connpool
