package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/slowpoetry/slowpoetry/poetry"
)

// maxPoem is the maximum size of a poem in bytes. Endless input, such as
// /dev/zero, is rejected.
const maxPoem = 256 << 20

// known lists the built-in poems.
func known() string { return strings.Join(poetry.Names(), ", ") }

// readPoem reads the poem with the given name: standard input for "-", a file,
// or else a built-in poem. It reads a file only once, from start to end, as the
// file may be a pipe.
func readPoem(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return readAll("standard input", stdin)
	}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if poem, ok := poetry.Poem(name); ok {
			return poem, nil
		}
		return nil, fmt.Errorf("there is no poem %q: name a file that exists, or one of %s", name, known())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the poem: %w; name a file that can be read, or one of %s", err, known())
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil {
		switch {
		case info.IsDir():
			return nil, fmt.Errorf("%s is a directory: name a file in it, or one of %s", name, known())
		case info.Size() > maxPoem: // no need to read it
			return nil, tooLong(name)
		}
	}
	return readAll(name, file)
}

// readAll reads a poem to its end.
func readAll(name string, r io.Reader) ([]byte, error) {
	poem, err := io.ReadAll(io.LimitReader(r, maxPoem+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the poem: %w; name a file that can be read, or one of %s", err, known())
	case len(poem) > maxPoem:
		return nil, tooLong(name)
	case len(poem) == 0:
		return nil, fmt.Errorf("%s is empty: name a file with a poem in it, or one of %s", name, known())
	}
	return poem, nil
}

func tooLong(name string) error {
	return fmt.Errorf("%s is longer than %d bytes: name a shorter file, or one of %s", name, maxPoem, known())
}
