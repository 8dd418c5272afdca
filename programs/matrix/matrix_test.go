// Package matrix runs twelve unmodified programs in six scenarios, in many
// processes each, and compares their runs. It needs the overlay: slownet test.
package matrix

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/tier"
	"github.com/slowpoetry/slowpoetry/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A program is a third-party program.
type program struct {
	name   string
	module string // empty for the standard library
	does   string // a piece of its work
	run    func(t *testing.T, sim *simtest.Sim)
}

var programs = []program{
	gorillaProgram, pgxProgram, resolverProgram, http2Program, yamuxProgram, smuxProgram,
	quicProgram, http3Program, mqttProgram, memberlistProgram, serfProgram, natsProgram,
}

// A cell is a program in a scenario.
type cell struct {
	program
	scenario
}

func (c cell) String() string { return c.program.name + ", " + c.scenario.name }

// cells are all cells.
func cells() (all []cell) {
	for _, p := range programs {
		for _, s := range scenarios {
			all = append(all, cell{p, s})
		}
	}
	return all
}

// cellVariable is the environment variable with the cell of a process.
const cellVariable = "MATRIX_CELL"

// digestPrefix begins the line that a process prints.
const digestPrefix = "digest: "

// TestCell runs one simulation, in a process of its own.
func TestCell(t *testing.T) {
	name := os.Getenv(cellVariable)
	if name == "" {
		t.Skip("TestMatrix runs it")
	}
	for _, c := range cells() {
		if c.String() == name {
			simtest.Config{Link: c.link}.Run(t, func(t *testing.T, sim *simtest.Sim) {
				for _, host := range []string{"server", "client", "other"} {
					sim.Host(host)
				}
				if c.fault != nil {
					c.fault(sim)
				}
				c.run(t, sim)
				fmt.Printf("%s%s, %d events, %v\n", digestPrefix, sim.Trace().Digest(), sim.Trace().Len(), sim.Elapsed())
			})
			return
		}
	}
	t.Fatalf("there is no %q", name)
}

// processors are the numbers of processors of processes, in turn.
var processors = []string{"1", "2", "4"}

// digest runs a simulation in process number i, and returns its line.
func (c cell) digest(ctx context.Context, i int) (string, error) {
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCell$", "-test.count=1", "-test.timeout=2m", "-test.cpu="+processors[i%len(processors)])
	command.Env = append(os.Environ(), cellVariable+"="+c.String(), "SIMTEST_FRESH=1", "GORACE=atexit_sleep_ms=0")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output.String())
	}
	_, line, found := strings.Cut(output.String(), digestPrefix)
	if !found {
		return "", fmt.Errorf("the process printed no digest: %s", output.String())
	}
	line, _, _ = strings.Cut(line, "\n")
	return line, nil
}

// atATime is the number of processes that run at once.
const atATime = 2

// results are the numbers of digests of each cell; 0 if it fails.
type results map[string]int

// digests returns the number of processes with each digest, out of n.
func (c cell) digests(t *testing.T, processes int) map[string]int {
	t.Helper()
	var mu sync.Mutex
	var wait sync.WaitGroup
	found, next := make(map[string]int), 0
	for range atATime {
		wait.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= processes {
					return
				}
				line, err := c.digest(t.Context(), i)
				mu.Lock()
				if assert.NoError(t, err, c.String()) {
					found[line]++
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return found
}

// quick are the cells of the quick tier.
var quick = map[string]bool{
	"gorilla/websocket, partition": true, "quic-go/quic-go, 5 % loss": true,
	"hashicorp/serf, plain": true, "nats and nats-server, crash": true,
}

// Each simulation has one digest in any number of processes.
func TestMatrix(t *testing.T) {
	layers := simtest.Overlay()
	if layers != (simtest.Layers{Time: true, Order: true, Net: true}) {
		t.Skip("this needs the overlay: run it with slownet test")
	}
	processes, all := tier.Pick(2, 20), tier.Long() || *pageFile != ""
	r := make(results)
	for _, c := range cells() {
		if !all && !quick[c.String()] {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			found := c.digests(t, processes)
			t.Log(found)
			assert.Len(t, found, 1)
			if !t.Failed() || len(found) > 1 {
				r[c.String()] = len(found)
			}
		})
	}
	if *pageFile != "" {
		r.write(t, *pageFile, processes)
	}
}
