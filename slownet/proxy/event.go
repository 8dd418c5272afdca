package proxy

import (
	"fmt"
	"net"
	"time"
)

// A ServerEvent is an event of a [Server]'s proxies. Events of bytes are of type
// [trace.Event].
type ServerEvent struct {
	Kind     ServerEventKind
	Proxy    string        // its name
	Listen   string        // for Started and Stopped: the address at which it listens
	Upstream string        // the server's address
	Client   net.Addr      // for events of a connection
	Up, Down int64         // for Closed and WasReset: bytes that have passed
	Elapsed  time.Duration // for Closed and WasReset: since the client connected
	Err      error         // for Unreachable, NotAccepted, NotListening and Failed
}

// A ServerEventKind is the kind of a [ServerEvent].
type ServerEventKind uint8

// The kinds of events.
const (
	Started      ServerEventKind = iota + 1 // a proxy listens
	Stopped                                 // it no longer listens
	Opened                                  // a client was connected to the server
	Closed                                  // the connection has ended
	WasReset                                // the connection was reset
	Unreachable                             // a client could not be connected to the server
	NotAccepted                             // a client could not be accepted, for example for lack of file descriptors
	NotListening                            // a proxy cannot listen again after a change
	Failed                                  // a step of a schedule, or a toxic of a file that was read again, failed
)

// String returns the event as text.
func (e ServerEvent) String() string {
	switch e.Kind {
	case Started:
		return fmt.Sprintf("%s: %s -> %s", e.Proxy, e.Listen, e.Upstream)
	case Stopped:
		return fmt.Sprintf("%s: no longer on %s", e.Proxy, e.Listen)
	case Opened:
		return fmt.Sprintf("%s: %v connected", e.Proxy, e.Client)
	case Closed:
		return fmt.Sprintf("%s: %v ended after %v: %d bytes up, %d down", e.Proxy, e.Client, e.Elapsed.Round(time.Millisecond), e.Up, e.Down)
	case WasReset:
		return fmt.Sprintf("%s: %v reset after %v: %d bytes up, %d down", e.Proxy, e.Client, e.Elapsed.Round(time.Millisecond), e.Up, e.Down)
	case Unreachable:
		return fmt.Sprintf("%s: %v: cannot reach %s: %v", e.Proxy, e.Client, e.Upstream, e.Err)
	case NotAccepted:
		return fmt.Sprintf("%s: cannot accept clients: %v", e.Proxy, e.Err)
	case NotListening:
		return fmt.Sprintf("%s: cannot listen on %s: %v", e.Proxy, e.Listen, e.Err)
	case Failed:
		return fmt.Sprintf("%s: %v", e.Proxy, e.Err)
	}
	return e.Proxy
}
