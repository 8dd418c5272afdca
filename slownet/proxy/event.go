package proxy

import (
	"fmt"
	"net"
	"time"
)

// An Event is something that happens to a [Server].
type Event struct {
	Kind     EventKind
	Proxy    string        // its name
	Listen   string        // where it listens, of Started and Stopped
	Upstream string        // the server's address
	Client   net.Addr      // of what happens to a connection
	Up, Down int64         // bytes that have passed, of Closed
	Elapsed  time.Duration // since the client came, of Closed
	Err      error         // of Unreachable, NotAccepted and NotListening
}

// An EventKind is what happens.
type EventKind uint8

// What happens.
const (
	Started      EventKind = iota + 1 // a proxy listens
	Stopped                           // it does not any longer
	Opened                            // a client has been connected to the server
	Closed                            // its connection has ended
	WasReset                          // its connection was reset
	Unreachable                       // a client could not be connected to the server
	NotAccepted                       // no client can be accepted, as for want of descriptors
	NotListening                      // a proxy cannot listen again after a change
	Failed                            // a step of a schedule cannot happen
)

// String says what has happened, in words.
func (e Event) String() string {
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
		return fmt.Sprintf("%s: schedule: %v", e.Proxy, e.Err)
	}
	return e.Proxy
}
