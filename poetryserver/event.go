package poetryserver

import (
	"fmt"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/plural"
)

// An Event is something that happened to a client of a [Server]. Its String is
// the line that the command prints.
type Event struct {
	Kind   Kind
	Client net.Addr // NotAccepted: the listener's address
	Bytes  int      // Sent: the size of the piece; Done, Gone: all that were sent
	Err    error    // Gone, NotAccepted: why

	Elapsed time.Duration // Sent, Done, Gone: since the client connected
}

// A Kind is what an Event tells.
type Kind int

// A client connects, pieces are sent to it, and it is done when all has been
// sent, or else gone. NotAccepted is told when no client can be accepted for
// the moment, as when the process has too many files open; the server tries
// again.
const (
	Connected Kind = iota
	Sent
	Done
	Gone
	NotAccepted
)

// String describes the event in a line, without a newline.
func (e Event) String() string {
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
