package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	var out strings.Builder
	l := newLines(&out)
	l.print("one")
	l.print(2)
	<-l.close()
	<-l.close()
	l.print("too late")
	assert.Equal(t, "one\n2\n", out.String())
}

// Nobody who prints waits for a reader; what is dropped is told.
func TestLinesThatNobodyReads(t *testing.T) {
	reader, writer := io.Pipe()
	l := newLines(writer)
	for i := range maxLines + 10 {
		l.print(i)
	}
	_, err := io.ReadFull(reader, make([]byte, len("0\n1\n")))
	require.NoError(t, err)
	for l.print("after"); ; l.print("after") { // there may be no room yet
		if l.mu.Lock(); l.dropped == 0 {
			l.mu.Unlock()
			break
		}
		l.mu.Unlock()
		_, _ = reader.Read(make([]byte, 100))
	}
	go func() {
		<-l.close()
		_ = writer.Close()
	}()
	rest, err := io.ReadAll(reader)
	require.NoError(t, err)
	assert.Regexp(t, `\n\(\d+ lines were dropped, as nobody read them\)\nafter\n$`, string(rest))
	assert.Contains(t, string(rest), fmt.Sprintf("\n%d\n", maxLines-1))
}

// One line has a singular noun.
func TestOneDroppedLine(t *testing.T) {
	reader, writer := io.Pipe()
	l := newLines(writer)
	l.print("first")
	_, err := io.ReadFull(reader, make([]byte, 1)) // it is being printed, and waits
	require.NoError(t, err)
	for i := range maxLines + 1 {
		l.print(i)
	}
	_, err = io.ReadFull(reader, make([]byte, len("irst\n0\n")))
	require.NoError(t, err)
	l.print("after")
	go func() {
		<-l.close()
		_ = writer.Close()
	}()
	rest, err := io.ReadAll(reader)
	require.NoError(t, err)
	assert.Regexp(t, `\n\(1 line was dropped, as nobody read it\)\nafter\n$`, string(rest))
}
