package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// A shelf is the directory in which poems are saved; "" saves none.
type shelf string

// newShelf makes the directory if need be, and makes sure that it can be
// written to before anything is fetched.
func newShelf(dir string) (shelf, error) {
	if dir == "" {
		return "", nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("--out: %w; name a directory, or one that can be made", err)
	}
	probe, err := os.CreateTemp(dir, ".get-poetry-*")
	if err != nil {
		return "", fmt.Errorf("--out: cannot write to %s: %w; name another directory", dir, err)
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return shelf(dir), nil
}

// put saves the poem of a task.
func (s shelf) put(task int, poem []byte) error {
	if s == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(string(s), strconv.Itoa(task)+".txt"), poem, 0o666)
}
