package main

import (
	"errors"
	"io"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/slownet/trace/capture"
	"github.com/slowpoetry/slowpoetry/slownet/trace/chrometrace"
)

// outputs are the files to write; "" means none.
type outputs struct {
	page, capture, chrome string
	host                  string // whose view the capture shows, or ""
	compare               bool   // the page compares two traces
}

// check returns a usage error for outputs that cannot be made from the traces.
func (o *outputs) check(names []string) error {
	var wanted []string
	for _, output := range []string{o.page, o.capture, o.chrome} {
		if output != "" {
			wanted = append(wanted, output)
		}
	}
	switch {
	case len(names) == 0:
		return cli.Usagef("no trace given")
	case len(wanted) == 0:
		return cli.Usagef("no output given: add -o PAGE.html, --pcap CAPTURE.pcapng or --chrome FILE.json; - is standard output")
	case o.compare && len(names) != 2:
		return cli.Usagef("--compare takes two traces: got %d", len(names))
	case o.compare && o.page == "":
		return cli.Usagef("--compare marks where two traces differ in a page: add -o PAGE.html")
	case o.host != "" && o.capture == "":
		return cli.Usagef("--at sets the view of a capture: add --pcap CAPTURE.pcapng")
	case len(names) > 1 && (o.capture != "" || o.chrome != ""):
		return cli.Usagef("--pcap and --chrome take one trace: got %d", len(names))
	case len(wanted) > 1 && names[0] == "-":
		return cli.Usagef("standard input can be read only once: make one file of it, or name a trace")
	}
	for i, output := range wanted {
		for _, other := range wanted[:i] {
			if output == other {
				return cli.Usagef("two outputs are written to %s: give each its own name", output)
			}
		}
		if err := checkInputs(names, output); err != nil {
			return err
		}
	}
	return nil
}

// reportCapture writes the capture. It creates no file if the trace has no packets or lacks
// the host.
func (o *outputs) reportCapture(names []string, output string, stdin io.Reader, stdout io.Writer) error {
	t, err := openTraces(names, stdin)
	if err != nil {
		return err
	}
	defer t[0].Close()
	err = writeOutput(output, stdout, func(w io.Writer) error {
		return capture.WriteTrace(w, t[0], capture.Options{Host: o.host})
	})
	if errors.Is(err, capture.ErrUnknownHost) {
		return cli.Usagef("%v", err)
	}
	return err
}

// reportChrome writes a file for Perfetto and Chrome.
func reportChrome(names []string, output string, stdin io.Reader, stdout io.Writer) error {
	t, err := openTraces(names, stdin)
	if err != nil {
		return err
	}
	defer t[0].Close()
	return writeOutput(output, stdout, func(w io.Writer) error {
		return chrometrace.Write(w, t[0].All(), chrometrace.Options{Header: t[0].Header()})
	})
}
