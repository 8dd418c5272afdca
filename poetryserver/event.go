package poetryserver

import (
	"fmt"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/plural"
)

// A ClientEvent reports what a [Server] did for a client. The command slowpoetry
// prints its String as a line.
type ClientEvent struct {
	Kind   ClientEventKind
	Client net.Addr // NotAccepted: the listener's address
	Bytes  int      // Sent: the size of the piece; Done, Gone: the total
	Err    error    // Gone, NotAccepted: the reason

	Elapsed time.Duration // Sent, Done, Gone: since the client connected
}

// A ClientEventKind is the kind of a [ClientEvent].
type ClientEventKind int

// A client connects and pieces are sent to it, until it is Done, with the whole
// poem, or Gone before the end. NotAccepted is reported when Accept fails
// temporarily, for example because the process has too many open files; the
// server tries again.
const (
	Connected ClientEventKind = iota
	Sent
	Done
	Gone
	NotAccepted
)

// String describes the event in one line, without a newline.
func (e ClientEvent) String() string {
	switch e.Kind {
	case Connected:
		return fmt.Sprintf("%v connected", e.Client)
	case Sent:
		return fmt.Sprintf("%v sent %s", e.Client, plural.Of(e.Bytes, "byte"))
	case Done:
		all := "all "
		if e.Bytes == 1 {
			all = ""
		}
		return fmt.Sprintf("%v done: %s%s sent", e.Client, all, plural.Of(e.Bytes, "byte"))
	case NotAccepted:
		return fmt.Sprintf("%v cannot accept clients for the moment: %v", e.Client, e.Err)
	default:
		return fmt.Sprintf("%v gone after %s: %v", e.Client, plural.Of(e.Bytes, "byte"), e.Err)
	}
}
