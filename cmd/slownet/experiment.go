package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/internal/cli"
	"github.com/slowpoetry/slowpoetry/poetry"
	"github.com/slowpoetry/slowpoetry/poetryserver"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

// The servers of the experiment. Their paces make the poems take about equally
// long, although one is much longer than the others. There are two clients.
var servers = []struct {
	poem string
	pace netem.Pace
}{
	{"ecstasy", netem.Pace{Bytes: 30, Wait: 100 * time.Millisecond}},
	{"fascination", netem.Pace{Bytes: 10, Wait: 100 * time.Millisecond}},
	{"science", netem.Pace{Bytes: 10, Wait: 100 * time.Millisecond}},
}

// firstPort is the first server's port; the others follow.
const firstPort = 10000

// A place is where the experiment runs: a simulation or this machine.
type place struct {
	listen func(port int) (net.Listener, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// perform runs the servers and both clients, and shows the result. It returns
// an error if a poem did not arrive.
func perform(ctx context.Context, at place, s *show) error {
	addresses, shutdown, err := serveAll(at)
	if err != nil {
		return err
	}
	defer shutdown()

	// The clients use the clock of their place, which is simulated in a simulation.
	clk := clock.New()
	client := &clients.Client{Dial: at.dial, Clock: clk}
	printer := &cli.Printer{Out: s, Err: s.errors()}
	var failed error
	for _, mode := range []struct {
		title, flags string
		print        func(clients.TaskEvent)
		get          func(context.Context, []string) []clients.Result
		end          func([]clients.Result)
	}{
		{"Blocking: one after another", "", printer.Blocking, client.GetAll, func([]clients.Result) {}},
		{"Asynchronous: all at once", "--async ", printer.Async, client.GetAllAsync, printer.Sums},
	} {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fmt.Fprintf(s, "$ get-poetry %s%s\n", mode.flags, ports(addresses))
		start := clk.Now()
		s.begin(mode.title, len(addresses))
		client.Observer = func(e clients.TaskEvent) {
			mode.print(e)
			if e.Kind == clients.Piece {
				s.arrived(e.Task, clk.Since(start))
			}
		}
		results := mode.get(ctx, addresses)
		elapsed := clk.Since(start)
		mode.end(results)
		printer.Total(results, elapsed)
		s.end(elapsed)
		fmt.Fprintln(s)
		for i, result := range results {
			if result.Err != nil && failed == nil {
				failed = fmt.Errorf("task %d got no poem: %w", i+1, result.Err)
			}
		}
	}
	return errors.Join(failed, printer.Failed())
}

// ports returns the ports of the addresses, as a user would type them.
func ports(addresses []string) string {
	var ports []string
	for _, address := range addresses {
		_, port, _ := net.SplitHostPort(address)
		ports = append(ports, port)
	}
	return strings.Join(ports, " ")
}

// serveAll starts the servers. It returns their addresses, and a function that
// stops them and waits for their end.
func serveAll(at place) (addresses []string, shutdown func(), err error) {
	var stops []func()
	shutdown = func() {
		for _, stop := range stops {
			stop()
		}
	}
	for i, config := range servers {
		poem, ok := poetry.Poem(config.poem)
		if !ok {
			shutdown()
			return nil, nil, fmt.Errorf("there is no poem %q", config.poem)
		}
		listener, err := at.listen(firstPort + i)
		if err != nil {
			shutdown()
			return nil, nil, err
		}
		addresses = append(addresses, listener.Addr().String())
		server := &poetryserver.Server{Poem: poem, Pace: config.pace}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(listener)
		}()
		stops = append(stops, func() {
			_ = server.Close()
			<-served
		})
	}
	return addresses, shutdown, nil
}

// loopback is the address on which the servers listen.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// expected returns the minimum time of the blocking client.
func expected() (total time.Duration) {
	for _, server := range servers {
		poem, _ := poetry.Poem(server.poem)
		pieces := (len(poem) + server.pace.Bytes - 1) / server.pace.Bytes
		total += time.Duration(pieces) * server.pace.Wait
	}
	return total
}
