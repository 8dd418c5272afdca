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

// The default limits of a Client.
const (
	DefaultTimeout  = time.Minute
	DefaultMaxBytes = 16 << 20
)

// A Client gets poems. The zero Client is ready to use. It may be used by
// several goroutines at once; its fields must not change meanwhile.
type Client struct {
	// Dial makes connections. Nil means a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Clock measures Timeout, MaxTime and all reported times. Nil means the
	// system clock. GetPoetryAsync uses the reactor's clock instead.
	Clock clock.Clock

	// Timeout limits the time until a server accepts the connection, and then
	// the time without a byte. Zero means DefaultTimeout, below zero no limit.
	Timeout time.Duration

	// MaxTime limits the time of a whole poem, from the start of its dial to its
	// last byte. It stops a server that sends often enough for Timeout but never
	// ends. Zero or less means no limit. In GetAllAsync, the time that a task
	// waits for its turn to dial does not count.
	MaxTime time.Duration

	// MaxBytes limits the size of a poem. Zero means DefaultMaxBytes, below zero
	// no limit.
	MaxBytes int64

	// Observer, if not nil, receives the progress of GetAll and GetAllAsync, on
	// the goroutine that called them.
	Observer func(TaskEvent)
}

// A TaskEvent reports progress on one of several poems.
type TaskEvent struct {
	Kind    TaskEventKind
	Task    int           // the poem's number, from 1; Waiting: 0
	Address string        // of its server, as passed by the caller; Waiting: none
	Bytes   int           // Piece: its size; Arrived, Failed: the total
	Poem    []byte        // Arrived: the poem; Failed: the part that arrived
	Elapsed time.Duration // since the task was started; Waiting: since the first task was started
	Err     error         // Failed, Waiting: the reason
}

// A TaskEventKind is the kind of a [TaskEvent].
type TaskEventKind int

// A task is started, its connection is accepted, pieces arrive, and at the end
// the whole poem has arrived or the task has failed. GetAllAsync reports Waiting
// when the process runs out of file descriptors: tasks without a connection wait
// until others are done. It is reported again only after a time in which no task
// waited.
const (
	Started TaskEventKind = iota
	Connected
	Piece
	Arrived
	Failed
	Waiting
)

// A Result is the outcome of one of several poems.
type Result struct {
	Address string
	Poem    []byte        // with Err, the part that arrived
	Elapsed time.Duration // from the start of the task to its end
	Err     error
}

// A StallError is the error of a server that was silent for too long. It
// matches os.ErrDeadlineExceeded.
type StallError struct {
	Connected bool          // whether the server had accepted the connection
	Timeout   time.Duration // the limit
}

// Error says whether the connection or the next byte was missing.
func (e *StallError) Error() string {
	if e.Connected {
		return fmt.Sprintf("stalled: no byte for %v", e.Timeout)
	}
	return fmt.Sprintf("stalled: no connection within %v", e.Timeout)
}

// Unwrap returns os.ErrDeadlineExceeded.
func (e *StallError) Unwrap() error { return os.ErrDeadlineExceeded }

// A TooSlowError is the error of a poem that takes longer than MaxTime. It matches
// os.ErrDeadlineExceeded.
type TooSlowError struct {
	MaxTime time.Duration // the limit
}

// Error names the limit.
func (e *TooSlowError) Error() string {
	return fmt.Sprintf("too slow: incomplete after %v", e.MaxTime)
}

// Unwrap returns os.ErrDeadlineExceeded.
func (e *TooSlowError) Unwrap() error { return os.ErrDeadlineExceeded }

// ErrNoPoem is the error of a server that closes the connection without sending
// a byte.
var ErrNoPoem = errors.New("no poem: the server closed the connection without a byte")

// A TooLongError is the error of a poem of more than MaxBytes.
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

// connectLimit returns the time limit of a dial, and the error of a dial that
// exceeds it. Zero means no limit.
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

// checkEnd returns an error if the stream ended without a byte.
func checkEnd(poem []byte) error {
	if len(poem) == 0 {
		return ErrNoPoem
	}
	return nil
}

// checkSize returns an error if a poem of that many bytes is too long.
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

// dialError returns the error of a failed dial: the cause of its context's end,
// or else the dial function's error.
func dialError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c *Client) tell(e TaskEvent) {
	if c.Observer != nil {
		c.Observer(e)
	}
}

// reportEnd reports the end of a task.
func (c *Client) reportEnd(task int, r Result) {
	kind := Arrived
	if r.Err != nil {
		kind = Failed
	}
	c.tell(TaskEvent{Kind: kind, Task: task, Address: r.Address, Bytes: len(r.Poem), Poem: r.Poem, Elapsed: r.Elapsed, Err: r.Err})
}
