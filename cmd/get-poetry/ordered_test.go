package main

import (
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Poems are printed in the order of the tasks, whatever the order in which they
// arrive.
func TestOrderedPrinterInTheOrderOfTheTasks(t *testing.T) {
	var out strings.Builder
	r := newOrderedPrinter(&out, false, 5)
	r.put(4, []byte("four\n"))
	r.put(2, []byte("two"))
	r.put(3, nil) // the task failed
	r.put(1, []byte("one\n"))
	r.put(5, []byte("five"))
	require.NoError(t, r.end())
	assert.Equal(t, "one\ntwo\nfour\nfive", out.String())
}

// A call of put does not wait for a reader, and each poem is printed as soon as
// all tasks before it are done.
func TestOrderedPrinterWithoutAReader(t *testing.T) {
	reader, writer := io.Pipe()
	r := newOrderedPrinter(writer, false, 3)
	r.put(1, nil)
	r.put(2, []byte("two"))
	got := make([]byte, 3)
	_, err := io.ReadFull(reader, got)
	require.NoError(t, err)
	assert.Equal(t, "two", string(got))
	r.put(3, []byte("three"))
	require.NoError(t, reader.CloseWithError(syscall.EPIPE))
	assert.Equal(t, syscall.EPIPE, r.end())
}

func TestNoOrderedPrinter(t *testing.T) {
	var r *orderedPrinter
	r.put(1, []byte("poem"))
	assert.NoError(t, r.end())
}
