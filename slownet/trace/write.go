package trace

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Writer writes a trace file. Only one goroutine may use it at a time.
type Writer struct {
	to      *bufio.Writer
	closers []io.Closer // closed in this order
	line    []byte
	count   int64
	digest  Digest
	failed  string // time of a failure, or ""
	err     error  // of an earlier call
}

// NewWriter writes the header and returns a Writer for the events. The file is complete
// after [Writer.Close]; until then, some events may be in a buffer.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	t := &Writer{to: bufio.NewWriterSize(w, 64<<10)}
	line, err := json.Marshal(h.line())
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err) // no known header causes this
	}
	t.write(append(line, '\n'))
	return t, t.err
}

// Create creates or truncates a file, and returns a Writer for it. The file is compressed
// with gzip if its name ends in ".gz".
func Create(name string, h Header) (*Writer, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	var to io.Writer = f
	closers := []io.Closer{f}
	if isCompressed(name) {
		packed := gzip.NewWriter(f)
		to, closers = packed, []io.Closer{packed, f}
	}
	t, err := NewWriter(to, h)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	t.closers = closers
	return t, nil
}

// isCompressed reports whether a file with that name is compressed.
func isCompressed(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".gz") }

// Write adds an event. If writing to the file fails, every later call returns the same
// error. For an invalid event, of an unknown kind or with a payload longer than its length,
// Write returns an error and leaves it out; later events can still be written. Bytes of
// names and notes that are not UTF-8 are replaced by U+FFFD.
func (t *Writer) Write(e *Event) error {
	if t.err != nil {
		return t.err
	}
	e = inUTF8(e)
	line, err := appendEvent(t.line[:0], e)
	t.line = line
	if err != nil {
		return err
	}
	t.write(line)
	if t.err == nil {
		t.count++
		t.digest = t.digest.Add(e)
	}
	return t.err
}

// inUTF8 returns the event, or a copy whose strings are UTF-8.
func inUTF8(e *Event) *Event {
	if utf8.ValidString(e.From) && utf8.ValidString(e.To) && utf8.ValidString(e.Conn.Host) &&
		utf8.ValidString(e.Conn.Network) && utf8.ValidString(e.Note) {
		return e
	}
	c := *e
	for _, s := range []*string{&c.From, &c.To, &c.Conn.Host, &c.Conn.Network, &c.Note} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
	return &c
}

func (t *Writer) write(line []byte) {
	if _, err := t.to.Write(line); err != nil {
		t.err = err
	}
}

// Flush writes the Writer's buffer. A compressed file has another buffer, which only
// Close writes.
func (t *Writer) Flush() error {
	if t.err == nil {
		t.err = t.to.Flush()
	}
	return t.err
}

// Failed records that a failure of the recorded run was found at the given time. The last
// line of the file contains it.
func (t *Writer) Failed(at time.Duration) { t.failed = strconv.FormatInt(int64(at), 10) }

// Close writes the last line, and closes the file if [Create] created it. It returns the
// first error of Write or Close; a second Close returns [os.ErrClosed].
func (t *Writer) Close() error {
	if errors.Is(t.err, os.ErrClosed) {
		return t.err
	}
	if line, err := json.Marshal(endLine{strconv.FormatInt(t.count, 10), t.digest.String(), t.failed}); err == nil && t.err == nil {
		t.write(append(line, '\n'))
	}
	err := t.Flush()
	for _, c := range t.closers {
		if e := c.Close(); err == nil {
			err = e
		}
	}
	t.err = os.ErrClosed
	return err
}
