package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/simtest"
)

const demoUsage = `Usage: slownet demo [--real]

Three slow servers dribble three poems. A blocking client gets one poem after
another, an asynchronous one all at once. Runs in simulated time, in a moment,
or with --real on loopback sockets, at human speed.
`

func demo(args []string, stdout, stderr io.Writer) error {
	var onSockets bool
	flags := cli.NewFlagSet("slownet demo", demoUsage)
	flags.BoolVar(&onSockets, "real", false, "on loopback sockets and in real time, which takes half a minute")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return cli.Usagef("takes no arguments: got %q", flags.Args())
	}
	if onSockets {
		return demoReal(stdout, stderr)
	}
	return demoSimulated(stdout, stderr)
}

// demoSimulated performs the experiment on a simulated host.
func demoSimulated(stdout, stderr io.Writer) error {
	s := newShow(stdout, stderr, false)
	var failed error
	var simulated time.Duration
	start := time.Now()
	simtest.Main(func(sim *simtest.Sim) {
		host := sim.Host("here")
		failed = perform(context.Background(), place{
			listen: func(port int) (net.Listener, error) { return host.Listen("tcp", loopback(port)) },
			dial:   host.DialContext,
		}, s)
		simulated = sim.Elapsed()
	})
	passed := time.Since(start)
	s.finale()
	fmt.Fprintf(s, "%v of simulated time passed in %v of real time.\n", simulated, passed.Round(time.Millisecond))
	return failed
}

// demoReal performs the experiment on loopback sockets.
func demoReal(stdout, stderr io.Writer) error {
	ctx, stop := cli.Interruptible(time.Second, cli.EndBySignal)
	defer stop()
	s := newShow(stdout, stderr, true)
	s.expected = expected()
	start := time.Now()
	failed := perform(ctx, place{listen: listenReal, dial: new(net.Dialer).DialContext}, s)
	if sig := cli.SignalOf(ctx); sig != nil {
		cli.EndBySignal(sig)
	}
	s.finale()
	fmt.Fprintf(s, "%v of real time passed; without --real it is simulated in a moment.\n", time.Since(start).Round(100*time.Millisecond))
	return failed
}

// listenReal listens on the port, or on any free one if it is in use.
func listenReal(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return net.Listen("tcp", loopback(0))
	}
	return listener, nil
}
