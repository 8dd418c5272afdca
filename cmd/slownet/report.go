package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

const reportUsage = `Usage: slownet report TRACE... -o PAGE.html
       slownet report --compare TRACE TRACE -o PAGE.html
       slownet report TRACE --pcap CAPTURE.pcapng [--at HOST]
       slownet report TRACE --chrome FILE.json

Turns traces into a page: one file for a browser that shows which bytes were in
flight between which hosts, and when. Several traces are stacked on one time
scale; with --compare the first event that differs is marked in both. Can also
turn one trace into a packet capture for Wireshark, or into a file for
ui.perfetto.dev and chrome://tracing. One call can write all of these.
"-" is standard input or output.

A capture contains each packet once, as it leaves its sender, or with --at the
packets that one host sent and received. For a trace without packets, plausible
packets are generated.

If a trace is damaged or truncated, the files contain everything before the
damage, and the exit status is 1; it is 2 if a file cannot be opened or is not a
trace.
`

// report turns traces into files.
func report(args []string, stdin io.Reader, stdout io.Writer) error {
	var o outputs
	flags := cli.NewFlagSet("slownet report", reportUsage)
	flags.StringVarP(&o.page, "output", "o", "", "write the page to this file")
	flags.BoolVar(&o.compare, "compare", false, "mark in the page the first event that differs between two traces")
	flags.StringVar(&o.capture, "pcap", "", "write a packet capture (pcapng) to this file")
	flags.StringVar(&o.host, "at", "", "the host whose view the capture shows")
	flags.StringVar(&o.chrome, "chrome", "", "write Chrome's Trace Event Format to this file")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return err
	}
	names := flags.Args()
	if err := o.check(names); err != nil {
		return err
	}
	var failed error
	for _, output := range []struct {
		name  string
		write func(names []string, output string, stdin io.Reader, stdout io.Writer) error
	}{{o.page, o.reportPage}, {o.capture, o.reportCapture}, {o.chrome, reportChrome}} {
		if output.name == "" {
			continue
		}
		err := output.write(names, output.name, stdin, stdout)
		if failed == nil {
			failed = err
		} else if err != nil && err.Error() != failed.Error() {
			failed = fmt.Errorf("%w; %w", failed, err)
		}
	}
	return failed
}

// checkInputs rejects an output that would overwrite a trace, and standard input given
// twice.
func checkInputs(names []string, output string) error {
	for i, name := range names {
		if name == "-" && slices.Contains(names[:i], "-") {
			return cli.Usagef("standard input can be read only once")
		}
		if name == "-" || output == "-" {
			continue
		}
		in, inErr := os.Stat(name)
		out, outErr := os.Stat(output)
		if filepath.Clean(name) == filepath.Clean(output) || inErr == nil && outErr == nil && os.SameFile(in, out) {
			return cli.Usagef("%s is one of the traces to read: give the output another name", output)
		}
	}
	return nil
}

// reportPage writes the page. It writes nothing before all traces are open.
func (o *outputs) reportPage(names []string, output string, stdin io.Reader, stdout io.Writer) error {
	traces, err := openTraces(names, stdin)
	defer func() {
		for _, t := range traces {
			_ = t.Close()
		}
	}()
	if err != nil {
		return err
	}
	runs := make([]page.Run, len(names))
	for i, t := range traces {
		title := filepath.Base(names[i])
		if names[i] == "-" {
			title = "standard input"
		}
		runs[i] = page.Run{Title: title, Header: t.Header(), Events: t.All(), Failed: t.Failed}
	}
	return writeOutput(output, stdout, func(w io.Writer) error { return page.WriteHTML(w, page.Options{Compare: o.compare}, runs...) })
}

// openTraces opens all traces. If one cannot be opened, it returns the traces before it,
// and the error.
func openTraces(names []string, stdin io.Reader) (traces []*trace.Reader, err error) {
	for _, name := range names {
		t, err := openTrace(name, stdin)
		if err != nil {
			return traces, cli.Usagef("%v", err)
		}
		traces = append(traces, t)
	}
	return traces, nil
}

// openTrace opens a trace. Its errors contain the name.
func openTrace(name string, stdin io.Reader) (*trace.Reader, error) {
	if name == "-" {
		t, err := trace.NewReader(stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return t, nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name the files in it", name)
	}
	t, err := trace.Open(name)
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return nil, fmt.Errorf("%s: %w", name, pathError.Err)
	}
	return t, err
}

// writeOutput writes a file, or to stdout if its name is "-". If write writes
// nothing, it creates no file.
func writeOutput(name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == "-" {
		return write(stdout)
	}
	f := &lazyFile{name: name}
	buffered := bufio.NewWriter(f)
	err := errors.Join(write(buffered), buffered.Flush(), f.close())
	if f.failed != nil { // the other errors repeat it
		return f.failed
	}
	return err
}

// A lazyFile is created by the first Write.
type lazyFile struct {
	name   string
	file   *os.File
	failed error // the error of creating it
}

func (f *lazyFile) Write(p []byte) (n int, err error) {
	if f.file == nil {
		if f.file, f.failed = os.Create(f.name); f.failed != nil {
			f.file = nil
			return 0, f.failed
		}
	}
	return f.file.Write(p)
}

func (f *lazyFile) close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
