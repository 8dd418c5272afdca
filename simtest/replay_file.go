package simtest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A replay identifies one run of a simulation. It is written for a failure, so that the
// failing run can be repeated.
type replay struct {
	goVersion string // the version of Go with which the failure was found
	test      string // full name; empty in a file without one
	search    int    // number of the search within the test, from 1; 0 means 1
	seed      uint64
	layers    Layers        // layers of the overlay that were on
	order     uint64        // Config.Schedule
	quiet     time.Duration // the time at which the faults are over; 0 without Chaos
	schedule  chaosSchedule
	overrides
	message string // of the failure, in lines
	digest  string // of the run, or unknownDigest
}

// newReplay returns the replay of a run. chaos is nil if there is none.
func newReplay(seed uint64, chaos *chaosRun, message, digest string) *replay {
	r := &replay{goVersion: runtime.Version(), seed: seed, layers: Overlay(), message: message, digest: digest}
	if chaos != nil {
		out := chaos.outcome()
		r.schedule, r.quiet = out.schedule, out.quiet
	}
	return r
}

// apply makes a Config run the replay.
func (r *replay) apply(c *Config) {
	c.Seed, c.Schedule, c.needs = r.seed, r.order, r.layers
	if !r.isNone() {
		c.overrides = &r.overrides
	}
	if len(r.schedule) == 0 && r.quiet == 0 && c.Chaos.isZero() {
		return
	}
	c.chaos = &chaosRun{chaos: c.Chaos, given: append(chaosSchedule{}, r.schedule...), quiet: r.quiet}
}

// replayFolder is the folder of replay files, relative to a package's folder.
var replayFolder = filepath.Join("testdata", "simtest")

// replayEnding is the file name extension of replay files.
const replayEnding = ".replay"

// maxReplay is the maximum size of a replay file, or of a schedule's text.
const maxReplay = 1 << 20

// replayFolderOf returns the folder of a test's replay files within a common folder. A
// subtest's folder is inside its test's.
func replayFolderOf(folder, test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = fileName(part)
	}
	return filepath.Join(folder, filepath.Join(parts...))
}

// fileName returns a name that is valid on every file system, and unique for each
// argument.
func fileName(name string) string {
	var text strings.Builder
	for i, c := range []byte(name) {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_', c == '-', c == '=', c == ',', c == '+',
			c == '.' && i > 0 && i < len(name)-1:
			text.WriteByte(c)
		default:
			fmt.Fprintf(&text, "%%%02X", c)
		}
	}
	if text.Len() == 0 {
		return "%"
	}
	return shortName(text.String())
}

// maxFileName is the maximum length of names of files and folders. Most file systems
// allow 255 bytes, and an extension is added.
const maxFileName = 200

// shortName truncates a name that is too long, and adds a hash.
func shortName(name string) string {
	if len(name) <= maxFileName {
		return name
	}
	hash := fmt.Sprintf("~%x", sha256.Sum256([]byte(name)))[:17]
	return name[:maxFileName-len(hash)] + hash
}

// fileName returns the replay's file name. It depends on the run, not on its outcome.
func (r *replay) fileName() string {
	run := *r
	run.goVersion, run.test, run.message, run.digest = "", "", "", unknownDigest
	return fmt.Sprintf("%x", sha256.Sum256([]byte(run.text())))[:16] + replayEnding
}

// inPackage resolves a name relative to the package's folder, even if the test has
// changed the working directory.
func inPackage(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(startDirectory, name)
}

// write writes the replay to a folder, which it creates if necessary, and returns the
// file's name.
func (r *replay) write(folder string) (name string, err error) {
	if err := os.MkdirAll(inPackage(folder), 0o777); err != nil {
		return "", err
	}
	name = filepath.Join(folder, r.fileName())
	// A partially written file must not look like a replay. Two processes may write the
	// same file.
	partial := fmt.Sprintf("%s.%d.tmp", inPackage(name), os.Getpid())
	err = os.WriteFile(partial, []byte(r.text()), 0o666)
	if err == nil {
		err = os.Rename(partial, inPackage(name))
	}
	if err != nil {
		_ = os.Remove(partial)
		return "", err
	}
	return name, nil
}

// readReplay reads a replay file. Its errors name the file and say what to do.
func readReplay(name string) (*replay, error) {
	info, err := os.Stat(inPackage(name)) // before opening it, since opening a pipe can block forever
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w: move it elsewhere, or delete it", name, &wrongFileError{"is not a regular file but " + kindOfFile(info.Mode())})
	}
	f, err := os.Open(inPackage(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReplay+1))
	if err != nil {
		return nil, err
	}
	return parseReplay(name, data)
}

// A wrongFileError says why a file is not a replay file, not even a damaged one. Its text
// begins with "is not".
type wrongFileError struct{ isNot string }

func (e *wrongFileError) Error() string { return e.isNot }

// kindOfFile names the kind of a file that is not regular.
func kindOfFile(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// A namedReplay is a replay with its file's name.
type namedReplay struct {
	name string
	*replay
}

// readReplays reads the replay files of a folder, in the order of their names. There
// are none if the folder does not exist. The error combines the errors of all files
// that cannot be read; the others are still returned.
func readReplays(folder string) (replays []namedReplay, err error) {
	entries, err := os.ReadDir(inPackage(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	errs := []error{err}
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), replayEnding) {
			continue
		}
		name := filepath.Join(folder, entry.Name())
		r, err := readReplay(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && entry.Type()&fs.ModeSymlink != 0:
			err = fmt.Errorf("%s is a link to a file that does not exist: restore that, or delete the link", name)
		case errors.Is(err, fs.ErrPermission):
			err = fmt.Errorf("%w: make it readable, or delete it", err)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		replays = append(replays, namedReplay{name, r})
	}
	return replays, errors.Join(errs...)
}
