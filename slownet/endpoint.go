package slownet

import (
	"net"
	"time"

	"github.com/benbjohnson/clock"
)

// An endpoint is what all wrappers have in common, whether they carry a stream
// or datagrams.
type endpoint struct {
	socket socket // the inner connection
	clock  clock.Clock
	isReal bool      // the clock tells the real time
	origin time.Time // of the flows' times
	trace  *tracing  // nil if nobody wants to know
}

// A socket is what all inner connections have in common.
type socket interface {
	LocalAddr() net.Addr
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// newEndpoint returns the endpoint of a connection on a path, or of one with
// links of its own if the path is nil.
func newEndpoint(inner socket, config *Config, path *Path) endpoint {
	e := endpoint{socket: inner, clock: config.Clock, isReal: isReal(config.Clock)}
	if path != nil {
		e.origin = path.origin
	} else {
		e.origin = config.Clock.Now()
	}
	if config.Trace != nil {
		e.trace = newTracing(config, inner.LocalAddr())
	}
	return e
}

// now is the time since the connection was wrapped, or its path began.
func (e *endpoint) now() time.Duration { return e.clock.Since(e.origin) }
