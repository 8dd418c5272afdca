package overlay

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// added are the files that the overlay adds, by their path below GOROOT/src.
//
//go:embed std
var added embed.FS

//go:embed known.txt
var knownText string

// A Fit is an overlay for one version of Go.
type Fit struct {
	GOROOT  string
	Version string            // such as "go1.26.8"
	Files   map[string]string // the texts of all files, by path below GOROOT/src, with slashes
	Edits   int               // number of edits
	Unknown []string          // declarations that differ from those of all tested versions

	hashes []string // "file name hash"
}

// Known reports whether the edits were tested with this version of Go.
func (f *Fit) Known() bool { return len(f.Unknown) == 0 && slices.Contains(knownVersions(), f.Version) }

// Warning returns a line about an unknown version, or "".
func (f *Fit) Warning() string {
	switch {
	case f.Known():
		return ""
	case len(f.Unknown) == 0:
		return fmt.Sprintf("%s has not been tested, but all edited functions are the same as in a tested version", f.Version)
	}
	changed := fmt.Sprintf("%d of the functions have", len(f.Unknown))
	if len(f.Unknown) == 1 {
		changed = "1 of the functions has"
	}
	return fmt.Sprintf("%s has not been tested: all %d edits fit, but %s changed since, such as %s", f.Version, f.Edits, changed, f.Unknown[0])
}

// New creates the overlay for a version of Go. An error is one sentence that
// names the version, the file and the function.
func New(goroot, version string) (*Fit, error) {
	f := &Fit{GOROOT: goroot, Version: version, Files: make(map[string]string), Edits: len(edits)}
	sources := make(map[string]*source)
	for _, e := range edits {
		hash, err := e.apply(goroot, sources)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be edited: %w", version, err)
		}
		f.hashes = append(f.hashes, hash)
	}
	slices.Sort(f.hashes)
	f.hashes = slices.Compact(f.hashes)
	known := known()
	for _, h := range f.hashes {
		if !known[h] {
			fields := strings.Fields(h)
			f.Unknown = append(f.Unknown, strings.ReplaceAll(fields[1], "_", " ")+" in src/"+fields[0])
		}
	}
	for file, s := range sources {
		if s != nil && len(s.changes) > 0 {
			f.Files[file] = s.edited()
		}
	}
	return f, fs.WalkDir(added, "std", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := added.ReadFile(name)
		f.Files[strings.TrimSuffix(strings.TrimPrefix(name, "std/"), ".txt")] = string(text)
		return err
	})
}

// Names returns the files of the overlay, sorted.
func (f *Fit) Names() []string { return slices.Sorted(maps.Keys(f.Files)) }

// Adds reports whether a file of the overlay is added to the standard library. The other
// files replace one.
func Adds(file string) bool { return path.Base(file) == addedName }

// addedName is the name of the files that the overlay adds.
const addedName = "zsimtest.go"

// knownVersions returns the versions of Go with which the edits were tested.
func knownVersions() []string {
	line, _, _ := strings.Cut(knownText, "\n")
	return strings.Fields(line)
}

// known returns the hashes of the declarations with which the edits were tested.
func known() map[string]bool {
	known := make(map[string]bool)
	_, lines, _ := strings.Cut(knownText, "\n")
	for line := range strings.Lines(lines) {
		known[strings.TrimSpace(line)] = true
	}
	return known
}
