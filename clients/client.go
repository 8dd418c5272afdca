package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/slowpoetry/slowpoetry/internal/plural"
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

	// MaxTime is how long a poem may take in all, from the start of its dial to
	// its last byte: it bounds a server that is never silent for Timeout, and
	// never done. Zero or less means no limit. The time of a task of GetAllAsync
	// does not run while it waits for its turn to dial. GetPoetryAsync measures it
	// by the reactor's clock.
	MaxTime time.Duration

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
	Task    int           // number of the poem, from 1; Waiting: 0
	Address string        // of its server, as it was given; Waiting: none
	Bytes   int           // Piece: its size; Arrived, Failed: all that came
	Poem    []byte        // Arrived: the poem; Failed: the part that arrived
	Elapsed time.Duration // since the task was started; Waiting: since the first was
	Err     error         // Failed, Waiting: why
}

// A Kind is what an Event tells.
type Kind int

// What happens to a task: it is started, the server accepts its connection, pieces
// arrive, and at last the whole poem has arrived or it has failed. GetAllAsync reports Waiting when the
// process has no descriptors left: tasks without a connection wait until others
// are done. It is reported again only after a time in which none waited.
const (
	Started Kind = iota
	Connected
	Piece
	Arrived
	Failed
	Waiting
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

// A TooSlowError is reported when a poem takes longer than allowed. It matches
// os.ErrDeadlineExceeded.
type TooSlowError struct {
	MaxTime time.Duration // the limit
}

// Error names the limit.
func (e *TooSlowError) Error() string {
	return fmt.Sprintf("too slow: not all there after %v", e.MaxTime)
}

// Unwrap returns os.ErrDeadlineExceeded.
func (e *TooSlowError) Unwrap() error { return os.ErrDeadlineExceeded }

// ErrNoPoem is reported when a server closes the connection without a byte.
var ErrNoPoem = errors.New("no poem: the server closed the connection without a byte")

// A TooLongError is reported when a server sends more than a poem may have.
type TooLongError struct {
	MaxBytes int64 // the limit
}

// Error names the limit.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("too long: more than the limit of %s", plural.Of(e.MaxBytes, "byte"))
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

// connectLimit returns how long a dial may take, and its error if it takes
// longer. Zero means no limit.
func (c *Client) connectLimit() (time.Duration, error) {
	timeout := c.timeout()
	switch {
	case c.MaxTime > 0 && (timeout <= 0 || c.MaxTime < timeout):
		return c.MaxTime, &TooSlowError{c.MaxTime}
	case timeout > 0:
		return timeout, &StallError{Timeout: timeout}
	}
	return 0, nil
}

// checkEnd returns an error if the stream has ended without a poem.
func checkEnd(poem []byte) error {
	if len(poem) == 0 {
		return ErrNoPoem
	}
	return nil
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
	c.tell(Event{Kind: kind, Task: task, Address: r.Address, Bytes: len(r.Poem), Poem: r.Poem, Elapsed: r.Elapsed, Err: r.Err})
}
