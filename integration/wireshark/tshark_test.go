// Package wireshark reads captures of simulations with tshark, which is Wireshark
// without a window.
package wireshark

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/capture"
)

// A recording is the trace of a simulation.
type recording struct {
	events []trace.Event
	keys   bytes.Buffer // TLS key log
}

// record runs a simulation and returns its trace, with packets.
func record(t *testing.T, config simtest.Config, f func(t *testing.T, sim *simtest.Sim, r *recording)) *recording {
	t.Helper()
	r := &recording{}
	config.Packets = true
	config.Trace = func(e trace.Event) { r.events = append(r.events, e) }
	config.Run(t, func(t *testing.T, sim *simtest.Sim) { f(t, sim, r) })
	return r
}

// A capturedFile is a capture in a file.
type capturedFile struct{ name string }

// capture writes a capture of the trace, in the view of one host if it is given. If
// the environment variable CAPTURES names a directory, the file is kept there.
func (r *recording) capture(t *testing.T, host string) capturedFile {
	t.Helper()
	dir := os.Getenv("CAPTURES")
	if dir == "" {
		dir = t.TempDir()
	}
	name := strings.ReplaceAll(t.Name(), "/", "-")
	if host != "" {
		name += "-" + host
	}
	file := capturedFile{filepath.Join(dir, name+".pcapng")}
	require.NoError(t, os.WriteFile(file.name, r.pcapng(t, host), 0o666))
	return file
}

// pcapng returns the bytes of a capture of the trace.
func (r *recording) pcapng(t *testing.T, host string) []byte {
	t.Helper()
	var b bytes.Buffer
	err := capture.WritePCAPNG(&b, func(yield func(trace.Event, error) bool) {
		for _, e := range r.events {
			if !yield(e, nil) {
				return
			}
		}
	}, capture.Options{
		Header: trace.Header{Start: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Source: "simtest", Test: t.Name()},
		Host:   host, KeyLog: r.keys.Bytes(),
	})
	require.NoError(t, err)
	return b.Bytes()
}

// tshark runs tshark on the file and returns its output.
func (f capturedFile) tshark(t *testing.T, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is missing: install it, on Debian with apt-get install tshark")
	}
	args = append([]string{"-r", f.name, "-N", "n"}, args...)
	for _, preference := range []string{"ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"} {
		args = append(args, "-o", preference+":TRUE")
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir()) // no preferences
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	require.NoError(t, command.Run(), "tshark %q: %s", args, &problems)
	return out.String()
}

// lines returns the non-empty lines of tshark's output.
func (f capturedFile) lines(t *testing.T, args ...string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(f.tshark(t, args...)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// matching returns the frames that match a display filter.
func (f capturedFile) matching(t *testing.T, filter string) []string {
	t.Helper()
	return f.lines(t, "-Y", filter)
}

// fields returns fields of the frames that match a display filter.
func (f capturedFile) fields(t *testing.T, filter string, fields ...string) []string {
	t.Helper()
	args := []string{"-Y", filter, "-T", "fields", "-E", "separator=/s"}
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	return f.lines(t, args...)
}

// follow returns the bytes of both directions of a TCP stream: first the bytes of the
// end that sent first, then the bytes of the other end.
func (f capturedFile) follow(t *testing.T, stream string) (first, second []byte) {
	t.Helper()
	for line := range strings.Lines(f.tshark(t, "-q", "-z", "follow,tcp,raw,"+stream)) {
		data, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil || len(data) == 0 {
			continue
		}
		if strings.HasPrefix(line, "\t") {
			second = append(second, data...)
		} else {
			first = append(first, data...)
		}
	}
	return first, second
}

// wrong is a filter for frames that no capture may contain.
const wrong = "_ws.malformed || ip.checksum.status == bad || tcp.checksum.status == bad || udp.checksum.status == bad" +
	" || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order" +
	" || tcp.analysis.reused_ports || _ws.expert.severity == error"
