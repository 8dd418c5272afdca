package eventlog

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tell logs a plain line.
func tell(l *Log, line any) { l.Tell(fmt.Sprint(line), slog.LevelInfo, "line") }

func TestQueue(t *testing.T) {
	var out strings.Builder
	l := New(&out, Plain)
	tell(l, "one")
	tell(l, 2)
	<-l.Close()
	<-l.Close()
	tell(l, "too late")
	assert.Equal(t, "one\n2\n", out.String())
}

// Tell never waits for a reader; the number of dropped lines is logged.
func TestQueueThatIsNotRead(t *testing.T) {
	reader, writer := io.Pipe()
	l := New(writer, Plain)
	for i := range maxLines + 10 {
		tell(l, i)
	}
	_, err := io.ReadFull(reader, make([]byte, len("0\n1\n")))
	require.NoError(t, err)
	for tell(l, "after"); ; tell(l, "after") { // there may be no room yet
		if l.queue.mu.Lock(); l.queue.dropped == 0 {
			l.queue.mu.Unlock()
			break
		}
		l.queue.mu.Unlock()
		_, _ = reader.Read(make([]byte, 100))
	}
	rest := readAll(t, l, reader, writer)
	assert.Regexp(t, `\n\(\d+ lines were dropped, as they were not read\)\nafter\n$`, rest)
	assert.Contains(t, rest, fmt.Sprintf("\n%d\n", maxLines-1))
}

// readAll closes the log and returns the remaining output.
func readAll(t *testing.T, l *Log, reader io.Reader, writer io.Closer) string {
	go func() {
		<-l.Close()
		_ = writer.Close()
	}()
	rest, err := io.ReadAll(reader)
	require.NoError(t, err)
	return string(rest)
}

// One dropped line has a singular noun; its record has the log's format.
func TestOneDroppedLine(t *testing.T) {
	for format, want := range map[Format]string{
		Plain: `\n\(1 line was dropped, as it was not read\)\nafter\n$`,
		Text:  `\ntime=\S+ level=WARN msg=dropped lines=1\ntime=\S+ level=INFO msg=line\n$`,
		JSON:  `\n\{"time":"[^"]+","level":"WARN","msg":"dropped","lines":1\}\n\{"time":"[^"]+","level":"INFO","msg":"line"\}\n$`,
	} {
		reader, writer := io.Pipe()
		l := New(writer, format)
		tell(l, "first")
		_, err := io.ReadFull(reader, make([]byte, 1)) // it is being written, and blocks
		require.NoError(t, err)
		for i := range maxLines + 1 {
			tell(l, i)
		}
		for range 2 { // the rest of a line, and the next one
			_, err = reader.Read(make([]byte, 1000))
			require.NoError(t, err)
		}
		tell(l, "after")
		assert.Regexp(t, want, readAll(t, l, reader, writer))
	}
}
