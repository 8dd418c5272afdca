package slownet

import (
	"fmt"
	"time"
)

// A Link describes one direction of a path. The zero Link passes everything at
// once.
type Link struct {
	// Latency is how long a byte is under way, one way: half of what ping
	// shows. Zero is none.
	Latency time.Duration

	// Rate is how many bits per second pass. Zero is no limit.
	Rate Rate

	// Pace cuts the stream into pieces with a wait after each. Zero leaves it
	// whole.
	Pace Pace
}

// A Pace lets at most a number of bytes pass, then waits, and so on. It is the
// way in which a slow server dribbles: ten bytes, a tenth of a second, ten
// bytes.
//
// Every piece is followed by the wait, whether it was full or not, and the
// last one too: what comes next, be it the end of the stream, comes after it.
type Pace struct {
	// Bytes is the most that pass at a time. Zero is no limit.
	Bytes int

	// Wait is how long nothing passes after each piece. Zero is no wait.
	Wait time.Duration
}

// IsZero reports whether the link passes everything at once.
func (l Link) IsZero() bool { return l == Link{} }

// Validate reports the first field of the link that cannot be, with its value
// and what is allowed. Links that come from a file, a flag or a user are to be
// validated; the constructors of this package panic on an invalid link, which
// is a bug of the program that made it.
func (l Link) Validate() error {
	switch {
	case l.Latency < 0:
		return fmt.Errorf("slownet: Latency is %v: it must be 0 or more", l.Latency)
	case l.Rate < 0:
		return fmt.Errorf("slownet: Rate is %v: it must be 0 (no limit) or more", l.Rate)
	case l.Pace.Bytes < 0:
		return fmt.Errorf("slownet: Pace.Bytes is %d: it must be 0 (no limit) or more", l.Pace.Bytes)
	case l.Pace.Wait < 0:
		return fmt.Errorf("slownet: Pace.Wait is %v: it must be 0 or more", l.Pace.Wait)
	}
	return nil
}

// mustBeValid panics on an invalid link.
func (l Link) mustBeValid() {
	if err := l.Validate(); err != nil {
		panic(err.Error())
	}
}
