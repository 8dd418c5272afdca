package clients

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/benbjohnson/clock"
)

// The limits of a Client that does not set its own.
const (
	DefaultTimeout  = time.Minute
	DefaultMaxBytes = 16 << 20
)

// A Client gets poems. The zero Client is ready to use. It may be used by
// several goroutines at once; its fields must not change then.
type Client struct {
	// Dial makes connections. Nil is a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Clock is the time by which Timeout and all reports go. Nil is the real
	// one.
	Clock clock.Clock

	// Timeout is how long a server may take to accept the connection, and then
	// how long it may send nothing. Zero is DefaultTimeout, below zero is for
	// ever. GetPoetryAsync measures it by the reactor's clock.
	Timeout time.Duration

	// MaxBytes is the size of the longest poem that is taken. Zero is
	// DefaultMaxBytes, below zero is no limit.
	MaxBytes int64

	// Observer, if not nil, is told how GetAll and GetAllAsync get on, on the
	// goroutine that called them.
	Observer func(Event)
}

// An Event is a step in getting one of several poems.
type Event struct {
	Kind    Kind
	Task    int           // which of the poems, from 1
	Address string        // of its server, as it was given
	Bytes   int           // Piece: its size; Arrived, Failed: all that came
	Elapsed time.Duration // since the task was started
	Err     error         // Failed: why
}

// A Kind is what an Event tells.
type Kind int

// What happens to a task: it is started, pieces arrive, and at last the whole
// poem has arrived or it has failed.
const (
	Started Kind = iota
	Piece
	Arrived
	Failed
)

// A Result is what became of one of several poems.
type Result struct {
	Address string
	Poem    []byte        // with Err, what came before it
	Elapsed time.Duration // from the start of the task to its end
	Err     error
}

// A StallError is reported when a server did not do anything for too long. It
// matches os.ErrDeadlineExceeded.
type StallError struct {
	Connected bool          // the server had accepted the connection
	Timeout   time.Duration // how long nothing happened
}

// Error says what the server did not do, and for how long.
func (e *StallError) Error() string {
	if e.Connected {
		return fmt.Sprintf("stalled: no byte for %v", e.Timeout)
	}
	return fmt.Sprintf("stalled: no connection within %v", e.Timeout)
}

// Unwrap returns os.ErrDeadlineExceeded.
func (e *StallError) Unwrap() error { return os.ErrDeadlineExceeded }

// A TooLongError is reported when a server sends more than a poem may have.
type TooLongError struct {
	MaxBytes int64 // the limit
}

// Error names the limit.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("too long: more than the limit of %d bytes", e.MaxBytes)
}

func (c *Client) clock() clock.Clock {
	if c.Clock == nil {
		return clock.New()
	}
	return c.Clock
}

func (c *Client) timeout() time.Duration {
	if c.Timeout == 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

// checkSize returns an error when a poem has grown too long.
func (c *Client) checkSize(bytes int) error {
	limit := c.MaxBytes
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	if limit > 0 && int64(bytes) > limit {
		return &TooLongError{limit}
	}
	return nil
}

func (c *Client) dial(ctx context.Context, address string) (net.Conn, error) {
	if c.Dial == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return c.Dial(ctx, "tcp", address)
}

// dialError is what a failed dial is reported as: what ended its context, or
// else what the dial function says.
func dialError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c *Client) tell(e Event) {
	if c.Observer != nil {
		c.Observer(e)
	}
}

// tellEnd reports the end of a task.
func (c *Client) tellEnd(task int, r Result) {
	kind := Arrived
	if r.Err != nil {
		kind = Failed
	}
	c.tell(Event{Kind: kind, Task: task, Address: r.Address, Bytes: len(r.Poem), Elapsed: r.Elapsed, Err: r.Err})
}
