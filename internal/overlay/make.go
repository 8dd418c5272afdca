package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Made is an overlay that go can use.
type Made struct {
	File string // for -overlay
	Go   string // the go command to call, or "" for the one in PATH
	Env  []string
}

// cacheFormat changes with the layout of the cache.
const cacheFormat = "1"

// Make writes the overlay into a directory, unless that exists already. Each content
// has its own directory, which is written completely before it gets its name. The
// user's own overlay is included.
func Make(g *Go, f *Fit, own map[string]string, cache string) (*Made, error) {
	own = maps.Clone(own)
	maps.DeleteFunc(own, func(_, to string) bool { return isBelow(cache, to) })
	if err := checkOwn(f, own); err != nil {
		return nil, err
	}
	key := keyOf(g, f, own)
	made := &Made{File: filepath.Join(cache, key, "overlay.json")}
	goroot := f.GOROOT
	if g.inModuleCache() {
		// go refuses to replace files below the module cache by name.
		goroot = filepath.Join(cache, key, "go")
		made.Go = filepath.Join(goroot, "bin", "go")
		made.Env = []string{"GOROOT=" + goroot, "GOTOOLCHAIN=local"}
	}
	if _, err := os.Stat(made.File); err == nil {
		return made, nil
	}
	if err := os.MkdirAll(cache, 0o777); err != nil {
		return nil, err
	}
	temporary, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	replace := maps.Clone(own)
	if replace == nil {
		replace = make(map[string]string)
	}
	for _, name := range f.Names() {
		file := filepath.FromSlash(name)
		to := filepath.Join(temporary, "src", file)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return nil, err
		}
		if err := os.WriteFile(to, []byte(f.Files[name]), 0o666); err != nil {
			return nil, err
		}
		replace[filepath.Join(goroot, "src", file)] = filepath.Join(cache, key, "src", file)
	}
	if made.Go != "" {
		if err := os.Symlink(f.GOROOT, filepath.Join(temporary, "go")); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(temporary, "overlay.json"), append(text, '\n'), 0o666); err != nil {
		return nil, err
	}
	err = os.Rename(temporary, filepath.Join(cache, key))
	if _, there := os.Stat(made.File); err != nil && there != nil {
		return nil, err // unless another process was faster
	}
	return made, nil
}

// keyOf returns the name of the overlay's directory.
func keyOf(g *Go, f *Fit, own map[string]string) string {
	hash := sha256.New()
	write := func(texts ...string) {
		for _, text := range texts {
			fmt.Fprintf(hash, "%d %s\n", len(text), text)
		}
	}
	write(cacheFormat, f.Version, f.GOROOT, g.GOOS, g.GOARCH, g.GOEXPERIMENT)
	for _, name := range f.Names() {
		write(name, f.Files[name])
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		write(name, own[name])
	}
	return f.Version + "-" + hex.EncodeToString(hash.Sum(nil)[:8])
}

// checkOwn returns an error if the user's overlay replaces a file that this one
// also replaces.
func checkOwn(f *Fit, own map[string]string) error {
	for _, path := range slices.Sorted(maps.Keys(own)) {
		if below, err := filepath.Rel(filepath.Join(f.GOROOT, "src"), path); err == nil {
			if _, both := f.Files[filepath.ToSlash(below)]; both {
				return fmt.Errorf("your own -overlay replaces %s, which this overlay must edit: remove that file from yours", path)
			}
		}
	}
	return nil
}

// ReadOwn reads a user's overlay, and makes its names absolute.
func ReadOwn(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("your own -overlay cannot be read: %w", err)
	}
	var content struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("your own -overlay, %s, cannot be read: %w", file, err)
	}
	replace := make(map[string]string)
	for from, to := range content.Replace {
		if from, err = filepath.Abs(from); err != nil {
			return nil, err
		}
		if to != "" { // an empty name deletes the file
			if to, err = filepath.Abs(to); err != nil {
				return nil, err
			}
		}
		replace[from] = to
	}
	return replace, nil
}

// OwnOverlay finds -overlay among the flags of go test, and returns its file and
// the other arguments. Arguments after -args belong to the test.
func OwnOverlay(args []string) (file string, others []string) {
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(args[i], "=")
		switch {
		case name == "-args" || name == "--args" || name == "--":
			return file, append(others, args[i:]...)
		case name != "-overlay" && name != "--overlay":
			others = append(others, args[i])
		case hasValue:
			file = value
		case i+1 < len(args):
			i++
			file = args[i]
		default:
			others = append(others, args[i]) // go says that the file is missing
		}
	}
	return file, others
}
