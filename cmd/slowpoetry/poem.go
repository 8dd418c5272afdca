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

// maxPoem is the size of the longest poem that is served: what does not end,
// such as /dev/zero, is none.
const maxPoem = 256 << 20

// known lists the poems in the program.
func known() string { return strings.Join(poetry.Names(), ", ") }

// readPoem reads the poem of that name: a file, or else one in the program.
func readPoem(name string) ([]byte, error) {
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
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name a file in it, or one of %s", name, known())
	}
	var poem []byte
	if err == nil && info.Size() <= maxPoem {
		poem, err = io.ReadAll(io.LimitReader(file, maxPoem+1))
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the poem: %w; name a file that can be read, or one of %s", err, known())
	case info.Size() > maxPoem, len(poem) > maxPoem:
		return nil, fmt.Errorf("%s is longer than %d bytes: name a shorter file, or one of %s", name, maxPoem, known())
	case len(poem) == 0:
		return nil, fmt.Errorf("%s is empty: name a file with a poem in it, or one of %s", name, known())
	}
	return poem, nil
}
