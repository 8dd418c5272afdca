package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"time"
)

// A Reader reads a trace file event by event. Only one goroutine may use it at a time.
type Reader struct {
	from   *bufio.Reader
	closer io.Closer // closes the file that Open opened
	name   string    // prefix of errors: the file's name and a colon, or empty
	header Header
	number int // of the last line read
	count  int64
	digest Digest
	keyLog []byte
	failed *time.Duration // time of a failure, if the last line has one
	err    error          // returned by an earlier call of Next
}

// maxLine is the maximum length of a line in bytes, and maxKeyLog the maximum size of a
// whole key log.
const (
	maxLine   = 4 << 20
	maxKeyLog = 64 << 20
)

// NewReader reads the first line and returns a Reader for the events. It reads plain and
// compressed traces. It returns an error if the first line is not the header of a trace, or
// is the header of a newer version of the format.
func NewReader(r io.Reader) (*Reader, error) { return newReader(r, "") }

func newReader(r io.Reader, name string) (*Reader, error) {
	t := &Reader{from: bufio.NewReaderSize(r, 64<<10), name: name}
	if magic, _ := t.from.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(t.from)
		if err != nil {
			return nil, t.wrong(err)
		}
		t.from = bufio.NewReaderSize(unpacked, 64<<10)
	}
	line, err := t.line()
	if err == nil {
		var first headerLine
		if err = json.Unmarshal(line, &first); err != nil {
			first = headerLine{} // not a header
		}
		t.header, err = first.header()
	}
	if err != nil {
		return nil, t.wrong(err)
	}
	return t, nil
}

// Open opens a trace file. Errors contain its name.
func Open(name string) (*Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t, err := newReader(f, name+": ")
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	t.closer = f
	return t, nil
}

// Header returns the trace's header, which is the first line of the file.
func (t *Reader) Header() Header { return t.header }

// Len returns the number of events read so far.
func (t *Reader) Len() int64 { return t.count }

// Digest returns the digest of the events read so far.
func (t *Reader) Digest() Digest { return t.digest }

// Failed returns the time at which a failure was found in the recorded run, if the file
// contains one. It is known after all events have been read.
func (t *Reader) Failed() (at time.Duration, ok bool) {
	if t.failed == nil {
		return 0, false
	}
	return *t.failed, true
}

// Next returns the next event. After the last one the error is [io.EOF]. For a file that
// ends before its last line the error is [ErrCutOff]; for a file with an invalid line it
// contains the line's number. Either error comes after all events that precede the damage.
// Later calls return the same error.
func (t *Reader) Next() (Event, error) {
	if t.err != nil {
		return Event{}, t.err
	}
	e, err := t.next()
	if err != nil {
		if err != io.EOF {
			err = t.wrong(err)
		}
		t.err = err
		return Event{}, err
	}
	return e, nil
}

func (t *Reader) next() (e Event, err error) {
	for {
		text, err := t.line()
		if err != nil {
			return e, err
		}
		line, err := parseLine(text)
		if err != nil {
			return e, err
		}
		switch {
		case line.Events != nil:
			return e, t.end(*line.Events, line.Digest, line.Failed)
		case line.KeyLog != nil:
			if err = t.addKeyLog(*line.KeyLog); err != nil {
				return e, err
			}
			continue
		}
		if e, err = line.event(); err != nil {
			return e, err
		}
		t.count++
		t.digest = t.digest.Add(&e)
		return e, nil
	}
}

// end checks the last line, and returns io.EOF if it is right.
func (t *Reader) end(events, digest, failed string) error {
	if events != fmt.Sprint(t.count) {
		return fmt.Errorf("the file has %d events, but its last line says %q: lines were removed or added", t.count, events)
	}
	if digest != t.digest.String() {
		return fmt.Errorf("the events have the digest %v, but the last line says %q: events were changed", t.digest, digest)
	}
	if failed != "" {
		at, err := strconv.ParseInt(failed, 10, 64)
		if err != nil {
			return fmt.Errorf("\"failed\" is %q: it must be a whole number in a string, below 2^63", failed)
		}
		t.failed = (*time.Duration)(&at)
	}
	if _, err := t.line(); err == nil {
		return errors.New("there is text after the file's last line, the one with the digest")
	} else if !errors.Is(err, ErrCutOff) {
		return err
	}
	return io.EOF
}

// line returns the next line without its newline.
func (t *Reader) line() ([]byte, error) {
	t.number++
	var long []byte // a line that does not fit into the buffer
	for {
		part, err := t.from.ReadSlice('\n')
		switch {
		case err == nil && long == nil:
			return part[:len(part)-1], nil
		case err == nil:
			return append(long, part[:len(part)-1]...), nil
		case err == io.EOF && len(part)+len(long) == 0:
			return nil, fmt.Errorf("%w: there is no last line with the number of events", ErrCutOff)
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("%w: the line is incomplete", ErrCutOff)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		if long = append(long, part...); len(long) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		}
	}
}

// wrong adds the position to an error.
func (t *Reader) wrong(err error) error {
	return fmt.Errorf("trace: %sline %d: %w", t.name, t.number, err)
}

// All returns an iterator over the remaining events. If Next returns an error other than
// io.EOF, the last pair contains it.
func (t *Reader) All() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := t.Next()
			if err == io.EOF || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// ReadAll returns all remaining events. For a damaged file it returns the events that
// precede the damage, and the error.
func (t *Reader) ReadAll() (events []Event, err error) {
	for e, err := range t.All() {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// Close closes the file, if [Open] opened it.
func (t *Reader) Close() error {
	if t.closer == nil {
		return nil
	}
	return t.closer.Close()
}
