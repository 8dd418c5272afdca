// Command slowpoetry serves a poem, slowly.
//
//	slowpoetry [flags] POEM
//
// POEM is a file, or the name of one of the poems that come with the program:
// ecstasy, fascination or science.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/slownet"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `Usage: slowpoetry [flags] POEM

Serves a poem, a few bytes at a time, to everyone who connects; one client
after another, unless --concurrent is given. POEM is a file, or one of the
poems in the program: ecstasy, fascination, science.

  slowpoetry --port 10000 ecstasy --num-bytes 30
  nc localhost 10000
`

// options are what the command line says.
type options struct {
	numBytes   cli.Int
	delay      cli.Duration
	port       cli.Int
	iface      string
	concurrent bool
	timeout    cli.Duration
	poem       string
}

func parse(args []string, stdout io.Writer) (*options, error) {
	o := &options{
		numBytes: cli.Int{Value: 10, Min: 1, Max: math.MaxInt32, Unit: "bytes"},
		delay:    cli.Duration(100 * time.Millisecond),
		port:     cli.Int{Value: 0, Min: 0, Max: 65535, Unit: "port"},
		timeout:  cli.Duration(poetryserver.DefaultTimeout),
	}
	flags := cli.NewFlagSet("slowpoetry", usage)
	flags.Var(&o.numBytes, "num-bytes", "how many `bytes` to send at a time")
	flags.Var(&o.delay, "delay", "how long to wait after each piece, in `seconds` or as 100ms")
	flags.Var(&o.port, "port", "the `port` to listen on; 0 is any free one")
	flags.StringVar(&o.iface, "iface", "localhost", "the `address` to listen on; 0.0.0.0 is every one the machine has")
	flags.BoolVar(&o.concurrent, "concurrent", false, "serve all clients at once")
	flags.Var(&o.timeout, "timeout", "give a client up that takes in nothing for so many `seconds`; 0 is never")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return nil, err
	}
	o.iface = strings.TrimSuffix(strings.TrimPrefix(o.iface, "["), "]")
	if o.iface == "" {
		return nil, cli.Usagef("--iface: the address is missing; 0.0.0.0 or :: is every one the machine has")
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

// patience is how long clients may take to go when the server is told to, and
// the last lines to be printed.
const patience = 500 * time.Millisecond

// serve serves until a signal comes.
func serve(o *options, stdout io.Writer) error {
	ctx, stop := cli.Interruptible(patience, 0)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // the poem is served even if nobody reads our lines

	poem, err := readPoem(o.poem)
	if err != nil {
		return err
	}
	listener, err := listen(net.JoinHostPort(o.iface, strconv.FormatInt(o.port.Value, 10)))
	if err != nil {
		return err
	}
	lines := newLines(stdout)
	server := &poetryserver.Server{
		Poem:       poem,
		Pace:       slownet.Pace{Bytes: int(o.numBytes.Value), Wait: time.Duration(o.delay)},
		Concurrent: o.concurrent,
		Timeout:    time.Duration(o.timeout),
		Observer:   func(e poetryserver.Event) { lines.print(e) },
	}
	if server.Timeout == 0 {
		server.Timeout = -1
	}
	lines.print(fmt.Sprintf("Serving %s on %s", o.poem, listener.Addr()))
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	err = server.Serve(listener)
	select {
	case <-lines.close():
	case <-time.After(patience): // nobody reads them
	}
	if errors.Is(err, poetryserver.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("cannot accept clients any more: %w", err)
}

// listen listens, or says how to mend it.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: the port is in use; choose another --port, or none for any free one", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w; mend --iface or --port", address, err)
	}
	return listener, nil
}
