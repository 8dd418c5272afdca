package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

const demoUsage = `Usage: slownet demo [--real | --html PAGE.html]

Three slow servers send three poems. A blocking client gets one poem after
another, and an asynchronous client gets all at once. Runs in simulated time,
which takes a moment, or with --real on loopback sockets, at human speed. With
--html it also writes a page that shows both runs, for a browser.
`

func demo(args []string, stdout, stderr io.Writer) error {
	var onSockets bool
	var html string
	flags := cli.NewFlagSet("slownet demo", demoUsage)
	flags.BoolVar(&onSockets, "real", false, "use loopback sockets and real time, which takes half a minute")
	flags.StringVar(&html, "html", "", "write a page that shows both runs to this file; - is standard output")
	if err := cli.Parse(flags, args, stdout); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return cli.Usagef("takes no arguments: got %q", flags.Args())
	}
	switch {
	case onSockets && html != "":
		return cli.Usagef("--html shows the simulated runs: leave --real out")
	case onSockets:
		return demoReal(stdout, stderr)
	case html == "-":
		return demoSimulated(io.Discard, stderr, html, stdout)
	}
	return demoSimulated(stdout, stderr, html, nil)
}

// demoSimulated runs the experiment on a simulated host, and writes a page of it if
// html is set.
func demoSimulated(stdout, stderr io.Writer, html string, htmlTo io.Writer) error {
	s := newShow(stdout, stderr, false)
	var failed error
	var simulated time.Duration
	start := time.Now()
	var events []trace.Event
	config := simtest.Config{}
	if html != "" {
		config.Trace = func(e trace.Event) { events = append(events, e) }
	}
	config.Main(func(sim *simtest.Sim) {
		host := sim.Host("here")
		failed = perform(context.Background(), place{
			listen: func(port int) (net.Listener, error) { return host.Listen("tcp", loopback(port)) },
			dial:   host.DialContext,
		}, s)
		simulated = sim.Elapsed()
	})
	passed := time.Since(start)
	s.printAll()
	fmt.Fprintf(s, "%v of simulated time passed in %v of real time.\n", simulated, passed.Round(time.Millisecond))
	if html == "" {
		return failed
	}
	return errors.Join(failed, writeOutput(html, htmlTo, func(w io.Writer) error {
		return page.WriteHTML(w, page.Options{Title: "Three poems from three slow servers"}, s.runs(events)...)
	}))
}

// runs divides the events among the runs of the charts, by the numbers of their
// connections. The times of each run begin at 0.
func (s *show) runs(events []trace.Event) []page.Run {
	traces := make([][]trace.Event, len(s.charts))
	for _, e := range events {
		if e.Conn.Number == 0 {
			continue
		}
		run := min(int(e.Conn.Number-1)/len(servers), len(traces)-1)
		traces[run] = append(traces[run], e)
	}
	runs := make([]page.Run, len(traces))
	for i, events := range traces {
		runs[i] = page.Run{Title: s.charts[i].title, Names: taskOf, Events: func(yield func(trace.Event, error) bool) {
			for _, e := range events {
				e.At -= events[0].At - events[0].Took
				if !yield(e, nil) {
					return
				}
			}
		}}
	}
	return runs
}

// taskOf returns the name of the task that a connection belongs to.
func taskOf(c trace.Conn) string {
	task := int(c.Number-1) % len(servers)
	return fmt.Sprintf("Task %d: %s", task+1, servers[task].poem)
}

// demoReal runs the experiment on loopback sockets.
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
	s.printAll()
	fmt.Fprintf(s, "%v of real time passed; without --real it is simulated in a moment.\n", time.Since(start).Round(100*time.Millisecond))
	return failed
}

// listenReal listens on the port, or on any free port if it is in use.
func listenReal(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return net.Listen("tcp", loopback(0))
	}
	return listener, nil
}
