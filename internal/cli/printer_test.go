package cli_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
)

func TestFormatElapsed(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0:00:00":         0,
		"0:00:00.000001":  1999 * time.Nanosecond,
		"0:00:10.126361":  10126361 * time.Microsecond,
		"0:00:23":         23 * time.Second,
		"0:00:23.065661":  23065661*time.Microsecond + 999,
		"0:01:00":         time.Minute,
		"1:02:03.400000":  time.Hour + 2*time.Minute + 3400*time.Millisecond,
		"100:00:00":       100 * time.Hour,
		"-0:00:01.500000": -1500 * time.Millisecond,
	} {
		assert.Equal(t, want, cli.FormatElapsed(d))
	}
}

func TestPrinter(t *testing.T) {
	var out, failures strings.Builder
	p := &cli.Printer{Out: &out, Err: &failures}
	events := []clients.TaskEvent{
		{Kind: clients.Started, Task: 1, Address: "a:1"},
		{Kind: clients.Piece, Task: 1, Address: "a:1", Bytes: 30},
		{Kind: clients.Arrived, Task: 1, Address: "a:1", Bytes: 3003, Elapsed: 10126361 * time.Microsecond},
		{Kind: clients.Failed, Task: 2, Address: "a:2", Err: errors.New("connection refused")},
		{Kind: clients.Failed, Task: 3, Address: "a:3", Bytes: 7, Err: io.ErrUnexpectedEOF},
	}
	for _, e := range events {
		p.Blocking(e)
	}
	for _, e := range events {
		p.Async(e)
	}
	p.Async(clients.TaskEvent{Kind: clients.Waiting, Err: syscall.EMFILE})
	results := []clients.Result{{Poem: make([]byte, 3003)}, {Err: io.EOF}, {Err: io.EOF}}
	p.Sums(results)
	p.Total(results, 23*time.Second)
	assert.NoError(t, p.Failed())
	assert.Equal(t, `Task 1: get poetry from: a:1
Task 1: got 3003 bytes of poetry from a:1 in 0:00:10.126361
Task 1: got 30 bytes of poetry from a:1
Task 1: 3003 bytes of poetry
Got 1 poem in 0:00:23
`, out.String())
	twice := "Task 2: connection refused\nTask 3: unexpected EOF (after 7 bytes)\n"
	assert.Equal(t, twice+twice+"Out of file descriptors: tasks without a connection wait until others are done; "+
		"a higher ulimit -n avoids that (too many open files)\n", failures.String())
}

// A count of one has a singular noun.
func TestPrinterUsesTheSingular(t *testing.T) {
	var out strings.Builder
	p := &cli.Printer{Out: &out, Err: &out}
	p.Blocking(clients.TaskEvent{Kind: clients.Arrived, Task: 1, Address: "a:1", Bytes: 1})
	p.Async(clients.TaskEvent{Kind: clients.Piece, Task: 1, Address: "a:1", Bytes: 1})
	p.Blocking(clients.TaskEvent{Kind: clients.Failed, Task: 1, Bytes: 1, Err: &clients.TooLongError{MaxBytes: 1}})
	p.Sums([]clients.Result{{Poem: []byte("x")}})
	p.Total([]clients.Result{{}}, 0)
	p.Total(nil, 0)
	assert.Equal(t, `Task 1: got 1 byte of poetry from a:1 in 0:00:00
Task 1: got 1 byte of poetry from a:1
Task 1: too long: more than the limit of 1 byte (after 1 byte)
Task 1: 1 byte of poetry
Got 1 poem in 0:00:00
Got 0 poems in 0:00:00
`, out.String())
}

type brokenWriter struct{ error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.error }

func TestPrinterRemembersTheFirstFailure(t *testing.T) {
	p := &cli.Printer{Out: brokenWriter{io.ErrClosedPipe}, Err: brokenWriter{io.ErrNoProgress}}
	p.Total(nil, 0)
	p.Blocking(clients.TaskEvent{Kind: clients.Failed})
	assert.Equal(t, io.ErrClosedPipe, p.Failed())
}
