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

Makes a page of traces: one file for a browser that shows which bytes were when
on their way between which hosts. Several traces are drawn above each other on
one time scale. "-" is standard input or output.

If a trace is damaged or was cut off, the page has everything before that, and
the exit status is 1; it is 2 if a file cannot be opened or is no trace.
`

// report makes files of traces.
func report(args []string, stdin io.Reader, stdout io.Writer) error {
	var output string
	flags := cli.NewFlagSet("slownet report", reportUsage)
	flags.StringVarP(&output, "output", "o", "", "write the page to this file")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return err
	}
	names := flags.Args()
	switch {
	case len(names) == 0:
		return cli.Usagef("no trace given")
	case output == "":
		return cli.Usagef("no output given: add -o PAGE.html, or -o - for standard output")
	}
	if err := checkInputs(names, output); err != nil {
		return err
	}
	return reportPage(names, output, stdin, stdout)
}

// checkInputs refuses an output that would overwrite a trace, and standard input twice.
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
			return cli.Usagef("%s is a trace that is to be read: give -o another name", output)
		}
	}
	return nil
}

// reportPage writes the page. Nothing is written before all traces are open.
func reportPage(names []string, output string, stdin io.Reader, stdout io.Writer) error {
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
		runs[i] = page.Run{Title: title, Header: t.Header(), Events: t.All()}
	}
	return writeOutput(output, stdout, func(w io.Writer) error { return page.WriteHTML(w, page.Options{}, runs...) })
}

// openTraces opens all traces, or returns those that it has opened before the error.
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

// openTrace opens a trace. Errors name it.
func openTrace(name string, stdin io.Reader) (*trace.Reader, error) {
	if name == "-" {
		t, err := trace.NewReader(stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return t, nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: it is a directory: name the files in it", name)
	}
	t, err := trace.Open(name)
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return nil, fmt.Errorf("%s: %w", name, pathError.Err)
	}
	return t, err
}

// writeOutput writes a file, or to stdout if its name is "-".
func writeOutput(name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == "-" {
		return write(stdout)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(f)
	err = write(buffered)
	return errors.Join(err, buffered.Flush(), f.Close())
}
