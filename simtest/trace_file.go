package simtest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

// traceVariable is the environment variable with the folder for traces of failing
// tests.
const traceVariable = "SIMTEST_TRACE"

// An eventFile is the trace file of one simulation. It is written under a temporary
// name while the simulation runs, and deleted unless the simulation fails or differs
// from another run. The nil eventFile is none.
type eventFile struct {
	mu     sync.Mutex // TLS key logs are written by goroutines of users
	name   string     // the name that the file gets if the simulation fails
	kept   bool       // it has that name
	file   *os.File
	packed *gzip.Writer
	writer *trace.Writer
	size   int64 // of the payloads, plus a constant for each event
	err    error
	done   bool
}

// maxTraceSize limits a file: the maximum size of its events before compression.
const maxTraceSize = 1 << 30

// newEventFile begins the file of a simulation, if SIMTEST_TRACE is set.
func newEventFile(t *testing.T, c *Config) (*eventFile, error) {
	folder := os.Getenv(traceVariable)
	if folder == "" || c.untraced {
		return nil, nil
	}
	base := traceName(t.Name(), c.Seed)
	if c.traceWord != "" {
		base += "-" + c.traceWord
	}
	file, err := createTraceFile(folder, base)
	if err != nil {
		return nil, fmt.Errorf("simtest: %w", err)
	}
	f := &eventFile{name: filepath.Join(filepath.Dir(file.Name()), base+traceEnding), file: file}
	start := c.Start
	if start.IsZero() {
		start = firstStart
	}
	f.packed, _ = gzip.NewWriterLevel(f.file, gzip.BestSpeed) // the level is valid
	f.writer, err = trace.NewWriter(f.packed, trace.Header{Start: start, Source: "simtest", Test: t.Name(), Seed: c.Seed, Go: runtime.Version()})
	if err != nil {
		f.end(false)
		return nil, fmt.Errorf("simtest: %w", wrongTraceFolder(folder, err))
	}
	return f, nil
}

// createTraceFile creates a file with a unique name in the folder that the variable
// names, and the folder if necessary.
func createTraceFile(variable, base string) (*os.File, error) {
	folder, err := filepath.Abs(forPackage(variable))
	if err == nil {
		err = os.MkdirAll(folder, 0o777)
	}
	var file *os.File
	if err == nil {
		file, err = os.CreateTemp(folder, base+".*.part")
	}
	if err != nil {
		return nil, wrongTraceFolder(variable, err)
	}
	return file, nil
}

func wrongTraceFolder(variable string, err error) error {
	return fmt.Errorf("%s is %q, and no trace can be written there: %w: set it to a folder, or unset it", traceVariable, variable, err)
}

// checkTraceFolder returns an error if no trace can be written to the folder that the
// variable names, which may be empty.
func checkTraceFolder(variable string) error {
	if variable == "" {
		return nil
	}
	file, err := createTraceFile(variable, "check")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// traceEnding is the file name extension of trace files.
const traceEnding = ".trace.gz"

// traceName returns the file name for a test and a seed, without extension.
func traceName(test string, seed uint64) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = fileName(part)
	}
	return fmt.Sprintf("%s-%d", shortName(strings.Join(parts, ".")), seed)
}

// write adds an event.
func (f *eventFile) write(e *trace.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const aside = 100 // approximate size of an event without its payload
	if f.done || f.err != nil {
		return
	}
	if f.size += aside + int64(len(e.Payload)); f.size > maxTraceSize {
		f.err = errTraceFull
		return
	}
	f.err = f.writer.Write(e)
}

var errTraceFull = errors.New("it has only the first events, because it is too large")

// failed records the time at which the simulation's failure was found.
func (f *eventFile) failed(at time.Duration) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.done && f.writer != nil {
		f.writer.Failed(at)
	}
}

// end closes the file, and keeps or deletes it. It returns a message about it.
func (f *eventFile) end(keep bool) (text string) {
	if f == nil {
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return ""
	}
	err := f.closeLocked()
	if !keep {
		_ = os.Remove(f.file.Name())
		return ""
	}
	err = errors.Join(err, os.Rename(f.file.Name(), f.name))
	f.kept = true
	text = fmt.Sprintf("its trace is in %s. For a page and a packet capture of it%s:\n%s\n", f.name, installHint(), reportLine(runtime.GOOS, f.name))
	if err != nil {
		text = fmt.Sprintf("its trace: %v\n", err) + text
	}
	return text
}

// hold closes the file. Afterwards keepAs keeps the file, or drop deletes it.
func (f *eventFile) hold() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.done {
		f.err = f.closeLocked()
	}
}

func (f *eventFile) closeLocked() error {
	f.done = true
	err := f.err
	if f.writer != nil {
		err = errors.Join(err, f.writer.Close(), f.packed.Close())
	}
	return errors.Join(err, f.file.Close())
}

// keepAs keeps a file that was held, with a word added to its name. It returns the name.
func (f *eventFile) keepAs(word string) (name string, err error) {
	name = strings.TrimSuffix(f.name, traceEnding) + "-" + word + traceEnding
	return name, errors.Join(f.err, os.Rename(f.file.Name(), name))
}

// drop deletes a file that was held, unless it is kept.
func (f *eventFile) drop() {
	if f != nil && !f.kept {
		_ = os.Remove(f.file.Name()) // it no longer exists if keepAs has renamed it
	}
}

// reportLine returns the shell command that makes a page and a capture of a trace.
func reportLine(system, name string) string {
	base := strings.TrimSuffix(name, traceEnding)
	return reportCommand(system, name, "-o", base+".html", "--pcap", base+".pcapng")
}

// module is this module, and slownet its command for reports.
const (
	module  = "github.com/slowpoetry/slowpoetry"
	slownet = module + "/cmd/slownet"
)

// isOurs reports whether the test belongs to this module. Other modules may lack
// dependencies that go run needs to build slownet.
func isOurs() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && info.Main.Path == module
}

// installHint says how to install slownet if go run cannot build it.
func installHint() string {
	if isOurs() {
		return ""
	}
	return " (go install " + slownet + "@latest)"
}

// reportCommand returns a shell command that makes a report.
func reportCommand(system string, words ...string) string {
	command := []string{"slownet", "report"}
	if isOurs() {
		command = []string{"go", "run", slownet, "report"}
	}
	words = append(command, words...)
	for i, word := range words {
		words[i] = quote(system, word)
	}
	return strings.Join(words, " ")
}

// keyLog is the writer that Sim.KeyLog returns.
type keyLog struct{ file *eventFile }

// Write adds lines to the file.
func (k keyLog) Write(lines []byte) (int, error) {
	if k.file == nil {
		return len(lines), nil
	}
	k.file.mu.Lock()
	defer k.file.mu.Unlock()
	if !k.file.done && k.file.err == nil {
		for line := range strings.Lines(string(lines)) {
			k.file.err = errors.Join(k.file.err, k.file.writer.KeyLog(strings.TrimRight(line, "\r\n")))
		}
	}
	return len(lines), nil
}

// KeyLog returns a writer for [crypto/tls.Config.KeyLogWriter]. The keys of connections
// are written to the simulation's trace, so that Wireshark can decrypt a capture of it.
// If no trace is written, the keys are dropped.
func (s *Sim) KeyLog() io.Writer { return keyLog{s.trace.file} }
