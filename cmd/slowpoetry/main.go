// Command slowpoetry serves a poem, slowly.
//
//	slowpoetry [flags] POEM
//
// POEM is a file, "-" for standard input, or the name of a built-in poem:
// ecstasy, fascination or science.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/internal/eventlog"
	"github.com/slowpoetry/slowpoetry/internal/monitor"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `Usage: slowpoetry [flags] POEM

Serves a poem, a few bytes at a time, to each client that connects: one client
after another, or all at once with --concurrent. POEM is a file, - for standard
input, or a built-in poem: ecstasy, fascination, science.

  slowpoetry --port 10000 ecstasy --num-bytes 30
  nc localhost 10000
  slowpoetry ecstasy --concurrent --log-format json --metrics 9100
  curl localhost:9100/metrics

With --metrics, /metrics counts clients, bytes and poems for Prometheus, and
/healthz answers 200 while poems are served, and 503 when the server is stopping.
`

// options are the flags and arguments.
type options struct {
	numBytes   cli.Int
	delay      cli.Duration
	port       cli.Int
	iface      string
	concurrent bool
	timeout    cli.Duration
	logFormat  eventlog.Format
	metrics    monitor.Address
	poem       string
}

func parse(args []string, stdout io.Writer) (*options, error) {
	o := &options{
		numBytes: cli.Int{Value: 10, Min: 1, Max: math.MaxInt32, Unit: "bytes"},
		delay:    cli.Duration(100 * time.Millisecond),
		port:     cli.Int{Value: 0, Min: 0, Max: 65535, Unit: "port"},
		timeout:  cli.Duration(poetryserver.DefaultTimeout),

		logFormat: eventlog.Plain,
	}
	flags := cli.NewFlagSet("slowpoetry", usage)
	flags.Var(&o.numBytes, "num-bytes", "the number of `bytes` to send at a time")
	flags.Var(&o.delay, "delay", "the time to wait after each piece, in `seconds` or as in 100ms")
	flags.Var(&o.port, "port", "the `port` to listen on; 0 means any free port")
	flags.StringVar(&o.iface, "iface", "localhost", "the `address` to listen on; 0.0.0.0 means all addresses of the machine")
	flags.BoolVar(&o.concurrent, "concurrent", false, "serve all clients at once")
	flags.Var(&o.timeout, "timeout", "give up on a client that receives nothing for this many `seconds`; 0 means never")
	flags.Var(&o.logFormat, "log-format", "the `format` of the log on stdout: plain, text (key=value) or json (one object per line)")
	flags.Var(&o.metrics, "metrics", "serve metrics over HTTP on this `address`, [HOST:]PORT; the default HOST is 127.0.0.1, PORT 0 means any free port")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return nil, err
	}
	var err error
	if o.iface, err = parseIface(o.iface); err != nil {
		return nil, err
	}
	switch flags.NArg() {
	case 0:
		return nil, cli.Usagef("no poem given: name a file, or one of %s", known())
	case 1:
		o.poem = flags.Arg(0)
		return o, nil
	}
	return nil, cli.Usagef("one poem at a time: got %d, %q", flags.NArg(), flags.Args())
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if err == nil {
		err = serve(o, stdout)
	}
	return cli.Fail("slowpoetry", err, stderr)
}

// shutdownGrace is the time after a signal for clients to leave and for the
// last lines to be printed.
const shutdownGrace = 500 * time.Millisecond

// serve serves until a signal comes.
func serve(o *options, stdout io.Writer) error {
	ctx, stop := cli.Interruptible(shutdownGrace, func(os.Signal) { os.Exit(0) })
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // serve the poem even if nothing reads the log

	poem, err := readPoemUntil(ctx, o.poem)
	if err != nil || poem == nil {
		return err
	}
	listener, err := listen(o.iface, strconv.FormatInt(o.port.Value, 10))
	if err != nil {
		return err
	}
	watch, counts, err := newMonitor(o)
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer watch.Close()
	log := eventlog.New(stdout, o.logFormat)
	server := &poetryserver.Server{
		Poem:       poem,
		Pace:       netem.Pace{Bytes: int(o.numBytes.Value), Wait: time.Duration(o.delay)},
		Concurrent: o.concurrent,
		Timeout:    time.Duration(o.timeout),
		Observer: func(e poetryserver.ClientEvent) {
			counts.count(e)
			logEvent(log, e)
		},
	}
	if server.Timeout == 0 {
		server.Timeout = -1
	}
	logServing(log, o.poem, listener.Addr())
	if watch != nil {
		logMetrics(log, watch.URL())
	}
	defer context.AfterFunc(ctx, func() {
		watch.Ending()
		_ = server.Close()
	})()
	err = server.Serve(listener)
	select {
	case <-log.Close():
	case <-time.After(shutdownGrace): // the log is not being read
	}
	if errors.Is(err, poetryserver.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("can no longer accept clients: %w", err)
}

// newMonitor starts the monitor, if it is requested, and returns it with
// the metrics that it serves.
func newMonitor(o *options) (*monitor.Monitor, *metrics, error) {
	if o.metrics == "" {
		return nil, nil, nil
	}
	watch, err := monitor.Listen(o.metrics, "--metrics")
	if err != nil {
		return nil, nil, err
	}
	return watch, newMetrics(watch.Registry), nil
}

// readPoemUntil reads the poem, which may block while a pipe is open. If a
// signal comes first, it returns nothing.
func readPoemUntil(ctx context.Context, name string) ([]byte, error) {
	type result struct {
		poem []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		poem, err := readPoem(name, os.Stdin)
		read <- result{poem, err}
	}()
	select {
	case r := <-read:
		return r.poem, r.err
	case <-ctx.Done():
		return nil, nil
	}
}
