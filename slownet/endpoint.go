package slownet

import (
	"net"
	"time"

	"github.com/benbjohnson/clock"
)

// An endpoint is the part that all wrappers share, of streams and of datagrams.
type endpoint struct {
	socket socket // the inner connection
	clock  clock.Clock
	isReal bool      // the clock tells the real time
	origin time.Time // the zero of the flows' times
	trace  *tracer   // nil without a trace
}

// A socket has the methods that all inner connections share.
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
		e.trace = newTracer(config, inner.LocalAddr())
	}
	return e
}

// now returns the time since the connection was wrapped, or since its path was made.
func (e *endpoint) now() time.Duration { return e.clock.Since(e.origin) }
