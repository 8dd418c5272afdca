package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
)

// An outDir is the directory in which poems are saved. A nil outDir saves none.
type outDir struct{ dir *os.Root }

// newOutDir creates the directory if necessary, and checks that it is writable
// before any poem is fetched.
func newOutDir(name string) (*outDir, error) {
	if err := os.MkdirAll(name, 0o777); err != nil {
		return nil, fmt.Errorf("--out: %w; name a directory, or one that can be created", err)
	}
	dir, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("--out: %w; name another directory", err)
	}
	s := &outDir{dir}
	probe, err := s.create()
	if err != nil {
		s.close()
		return nil, fmt.Errorf("--out: cannot write to %s: %w; name another directory", name, err)
	}
	_ = probe.Close()
	_ = dir.Remove(probe.name)
	return s, nil
}

// A draft is a file that is being written.
type draft struct {
	*os.File
	name string // in the directory
}

// create creates a file with a unique name.
func (s *outDir) create() (*draft, error) {
	for tries := 1; ; tries++ {
		name := fmt.Sprintf(".get-poetry-%d", rand.Uint64())
		file, err := s.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			return &draft{file, name}, nil
		}
		if !os.IsExist(err) || tries == 1000 {
			return nil, err
		}
	}
}

// put saves the poem of a task. The file appears whole or not at all. It replaces a file
// with the same name, or a symbolic link, which it does not follow.
func (s *outDir) put(task int, poem []byte) error {
	if s == nil {
		return nil
	}
	draft, err := s.create()
	if err != nil {
		return err
	}
	_, err = draft.Write(poem)
	if closed := draft.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = s.dir.Rename(draft.name, strconv.Itoa(task)+".txt")
	}
	if err != nil {
		_ = s.dir.Remove(draft.name)
	}
	return err
}

// close releases the directory.
func (s *outDir) close() {
	if s != nil {
		_ = s.dir.Close()
	}
}
