// Command get-poetry gets poems from slow servers.
//
//	get-poetry [flags] [HOST:]PORT ...
//
// It gets them one after another, or with --async all at once.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/address"
	"github.com/slowpoetry/slowpoetry/internal/cli"
)

// interruptGrace is the time for the report after Ctrl-C.
const interruptGrace = time.Second

// asyncGCPercent is the GC percentage with --async. Many poems grow at the same time
// and are copied as they grow. With the default of 100 the garbage would take more
// memory than everything else. More frequent collections cost little, as there are
// few pointers.
const asyncGCPercent = 20

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `Usage: get-poetry [flags] [HOST:]PORT ...

Gets the poems of slow poetry servers, one after another, or with --async all
at once. The default HOST is 127.0.0.1.

  get-poetry 10000 10001 10002
  get-poetry --async 10000 10001 10002
  get-poetry --print 10000 10001 10002 | less
  get-poetry --async --progress 10000 10001 10002

With --progress, a terminal shows a bar for each task instead of lines, with the
task's bytes, their rate, and what the task waits for. All bars have the same
scale, which doubles when a poem exceeds it, since the length of a poem is not
known before its end. NO_COLOR=1 turns off colours, TERM=dumb turns off the bars.
`

// options are the flags and arguments.
type options struct {
	async     bool
	timeout   cli.Duration
	maxTime   cli.Duration
	maxBytes  cli.Int
	print     bool
	out       string // a directory, or ""
	quiet     bool
	progress  bool
	addresses []string
}

func parse(args []string, stdout io.Writer) (*options, error) {
	o := &options{
		timeout:  cli.Duration(clients.DefaultTimeout),
		maxBytes: cli.Int{Value: clients.DefaultMaxBytes, Min: 1, Max: math.MaxInt64, Unit: "bytes"},
	}
	flags := cli.NewFlagSet("get-poetry", usage)
	flags.BoolVar(&o.async, "async", false, "get all poems at once")
	flags.Var(&o.timeout, "timeout", "give up on a server that sends nothing for this many `seconds`; 0 means never")
	flags.Var(&o.maxTime, "max-time", "give up on a server whose poem takes more than this many `seconds` in all; 0 means never")
	flags.Var(&o.maxBytes, "max-bytes", "give up on a server that sends more than this many `bytes`")
	flags.BoolVar(&o.print, "print", false, "print the poems, in the order of the tasks; the progress goes to stderr")
	flags.StringVar(&o.out, "out", "", "save the poems in this `directory`, which is created if necessary, as 1.txt, 2.txt, ... by task; existing files and links with these names are replaced, and links are not followed; - is the same as --print")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "report only failures")
	flags.BoolVar(&o.progress, "progress", false, "show a bar for each task if the progress goes to a terminal; otherwise the usual lines")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return nil, err
	}
	if flags.NArg() == 0 {
		return nil, cli.Usagef("no address given: name at least one server, as PORT or HOST:PORT")
	}
	for _, arg := range flags.Args() {
		parsed, err := address.Parse(arg, 1)
		if err != nil {
			return nil, cli.Usagef("%v", err)
		}
		o.addresses = append(o.addresses, parsed)
	}
	switch {
	case o.out == "-":
		o.out, o.print = "", true
	case flags.Changed("out") && o.out == "":
		return nil, cli.Usagef("--out: the name of the directory is missing")
	case o.progress && o.quiet:
		return nil, cli.Usagef("--progress and --quiet contradict each other: give one of them")
	}
	return o, nil
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if err != nil {
		return cli.Fail("get-poetry", err, stderr)
	}
	out := progress(o, stdout, stderr)
	bars := newBars(o, out)
	poems, err := newPoems(o, stdout, bars.over(stdout))
	if err != nil {
		return cli.Fail("get-poetry", err, stderr)
	}
	defer poems.close()
	ctx, stop := cli.Interruptible(interruptGrace, cli.EndBySignal)
	defer stop()
	if o.out != "" {
		signal.Ignore(syscall.SIGPIPE) // save the poems even if nothing reads the output
	}

	printer := &cli.Printer{Out: out, Err: bars.over(stderr)}
	if bars != nil {
		printer.Out = io.Discard // until the bars have ended
	}
	bars.begin()
	start := time.Now()
	results := get(ctx, o, printer, poems, bars)
	elapsed := time.Since(start)
	var printed error
	if bars != nil { // the poems are printed above the bars, on the same terminal
		printed = poems.printer.end()
	}
	bars.end()
	printer.Out = out
	poems.saveAgain()
	for task, failed := range poems.missing() {
		fmt.Fprintf(stderr, "Task %d: cannot save the poem: %v\n", task, failed.err)
	}
	printer.Total(results, elapsed)
	if bars == nil {
		printed = poems.printer.end()
	}

	if sig := cli.SignalOf(ctx); sig != nil {
		cli.EndBySignal(sig)
	}
	switch err := cmp.Or(printed, printer.Failed()); {
	case errors.Is(err, syscall.EPIPE):
		return 1 // the reader of the output has left, on purpose
	case err != nil:
		return cli.Fail("get-poetry", fmt.Errorf("cannot print: %w", err), stderr)
	case len(poems.unsaved) > 0, slices.ContainsFunc(results, func(r clients.Result) bool { return r.Err != nil }):
		return 1
	}
	return 0
}

// progress returns the writer for the tasks' progress: stdout, unless the poems
// are printed there.
func progress(o *options, stdout, stderr io.Writer) io.Writer {
	switch {
	case o.quiet:
		return io.Discard
	case o.print:
		return stderr
	}
	return stdout
}

// get gets the poems and reports progress.
func get(ctx context.Context, o *options, printer *cli.Printer, poems *poems, bars *bars) []clients.Result {
	client := &clients.Client{Timeout: time.Duration(o.timeout), MaxTime: time.Duration(o.maxTime), MaxBytes: o.maxBytes.Value}
	if client.Timeout == 0 {
		client.Timeout = -1
	}
	if !o.async {
		client.Observer = poems.after(bars.after(printer.Blocking))
		return client.GetAll(ctx, o.addresses)
	}
	client.Observer = poems.after(bars.after(printer.Async))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(asyncGCPercent)
	}
	results := client.GetAllAsync(ctx, o.addresses)
	printer.Sums(results)
	return results
}
