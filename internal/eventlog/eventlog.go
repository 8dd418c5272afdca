// Package eventlog is the log of a long-running command: plain lines for
// people, or structured records for programs.
package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// A Format is the format of a log. It is the value of the flag --log-format.
type Format string

const (
	Plain Format = "plain" // lines for people
	Text  Format = "text"  // key=value pairs, by slog.TextHandler
	JSON  Format = "json"  // one object per line, by slog.JSONHandler
)

// Set parses the value.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case Plain, Text, JSON:
		*f = Format(s)
		return nil
	}
	return errors.New("want plain, text or json")
}

// String returns the value in the form that Set accepts.
func (f *Format) String() string { return string(*f) }

// Type returns the kind of value for the help.
func (f *Format) Type() string { return "format" }

// A Log writes events. No call ever waits for a reader: lines that are not read
// are dropped, and their number is logged. It may be used by several
// goroutines.
type Log struct {
	queue *queue

	mu      sync.Mutex   // guards the fields below, and orders the records by time
	handler slog.Handler // writes to record; nil for plain lines
	record  bytes.Buffer
}

// New returns a log that writes to out, and runs a goroutine until Close.
func New(out io.Writer, format Format) *Log {
	l := &Log{}
	switch format {
	case Text:
		l.handler = slog.NewTextHandler(&l.record, nil)
	case JSON:
		l.handler = slog.NewJSONHandler(&l.record, nil)
	}
	l.queue = newQueue(out, func(n int) string {
		plain := fmt.Sprintf("(%d lines were dropped, as they were not read)", n)
		if n == 1 {
			plain = "(1 line was dropped, as it was not read)"
		}
		return l.lineLocked(plain, slog.LevelWarn, "dropped", slog.Int("lines", n))
	})
	return l
}

// Tell logs an event: as the plain line, or as a record with the level, the
// message and the attributes.
func (l *Log) Tell(plain string, level slog.Level, message string, attrs ...slog.Attr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue.add(l.lineLocked(plain, level, message, attrs...))
}

// lineLocked returns the line of an event, with its newline.
func (l *Log) lineLocked(plain string, level slog.Level, message string, attrs ...slog.Attr) string {
	if l.handler == nil {
		return plain + "\n"
	}
	record := slog.NewRecord(time.Now(), level, message, 0)
	record.AddAttrs(attrs...)
	l.record.Reset()
	_ = l.handler.Handle(context.Background(), record) // writes to a buffer do not fail
	return l.record.String()
}

// Close returns a channel that is closed when all lines are written. Later events
// are ignored. It may be called more than once.
func (l *Log) Close() <-chan struct{} { return l.queue.close() }
