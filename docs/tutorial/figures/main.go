// Command figures draws the tutorial's figures from the traces of two runs: the blocking
// and the asynchronous client get three poems from three slow servers, in simulated time.
//
//	go run ./docs/tutorial/figures [FOLDER]
//
// It writes figure1.svg, figure3.svg, figure4.svg and figure5.svg, with Japanese words
// figure1.ja.svg and so on, to the folder; without one, to that of the tutorial's
// pictures. The same program writes the same bytes each time.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/slowpoetry/slowpoetry/clients"
	"github.com/slowpoetry/slowpoetry/docs/tutorial"
	"github.com/slowpoetry/slowpoetry/simtest"
	"github.com/slowpoetry/slowpoetry/slownet/trace"
)

func main() {
	folder := filepath.Join("docs", "tutorial", "pictures")
	if len(os.Args) > 1 {
		folder = os.Args[1]
	}
	if err := write(folder, os.Stdout, simtest.Config.Main); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// write draws all figures into a folder, and prints their names. Simulations are started
// by the function simulate.
func write(folder string, out io.Writer, simulate func(simtest.Config, func(*simtest.Sim))) error {
	run := func(get func(*clients.Client, context.Context, []string) []clients.Result) []task {
		var events []trace.Event
		config := simtest.Config{Trace: func(e trace.Event) { events = append(events, e) }}
		simulate(config, func(sim *simtest.Sim) {
			addresses := tutorial.Serve(sim, tutorial.Lesson())
			get(&clients.Client{Dial: sim.Host(tutorial.Reader).DialContext}, context.Background(), addresses)
		})
		return tasksOf(events)
	}
	blocking, async := run((*clients.Client).GetAll), run((*clients.Client).GetAllAsync)
	for _, p := range figures(blocking, async) {
		if err := os.WriteFile(filepath.Join(folder, p.name), p.svg, 0o666); err != nil {
			return err
		}
		fmt.Fprintln(out, p.name)
	}
	return nil
}
